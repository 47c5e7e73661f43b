"""What the other replicas see: four ways to learn it (DNS, URLs, Redis, Prometheus), and what this one tells them."""
