"""The agent over HTTP: verdicts and metrics for everyone, the page and the API for those beside it."""
