"""Answers in the balancers' own tongues: HAProxy's agent-check and grpc.health.v1."""
