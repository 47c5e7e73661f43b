"""What Alertmanager needs to know of these alerts: how they group, who gets which, which makes others needless."""

#: A whole configuration that `amtool check-config` accepts; its receivers are empty, and the reader's to fill.
ROUTE = """\
# A route for the alerts of Outrider, written by `outrider slo rules --alertmanager`: put it below your own route, and
# your receivers' names into it.
route:
  receiver: tickets
  # One notification per objective, probe or destination. All replicas say the same: nothing else tells them apart.
  group_by: [alertname, service, slo, probe, destination]
  group_wait: 10s
  group_interval: 5m
  repeat_interval: 4h
  routes:
    # Always fires. Send it where its absence calls somebody, and often enough that it is noticed soon.
    - matchers: [alertname="OutriderWatchdog"]
      receiver: watchdog
      group_wait: 0s
      group_interval: 1m
      repeat_interval: 1m
    - matchers: [alertname=~"Outrider.+", severity="page"]
      receiver: pages
    - matchers: [alertname=~"Outrider.+", severity="ticket"]
      receiver: tickets
      repeat_interval: 1d

inhibit_rules:
  # Who is called need not read the ticket about the same objective too.
  - source_matchers: [alertname="OutriderSLOBurn", severity="page"]
    target_matchers: [alertname="OutriderSLOBurn", severity="ticket"]
    equal: [service, slo]
  # What all replicas together say makes needless what each of them says by itself.
  - source_matchers: [alertname=~"Outrider.+", view="fleet"]
    target_matchers: [alertname=~"Outrider.+", view="replica"]
    equal: [alertname, service, slo, probe, destination, severity]
  # An agent that is not heard can neither see nor ask.
  - source_matchers: [alertname="OutriderAgentMissing"]
    target_matchers: [alertname=~"OutriderAgentStale|OutriderBlind"]
    equal: [service]

receivers:
  - name: pages
  - name: tickets
  - name: watchdog
"""
