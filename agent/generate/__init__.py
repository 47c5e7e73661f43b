"""What Outrider writes for other programs: rules for Prometheus, a route for Alertmanager, boards for Grafana."""
