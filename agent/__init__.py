"""The running sidecar."""
