"""Sends spans with the OpenTelemetry SDK: send.py http|grpc COUNT [WORKERS]. Prints the span ids it ended."""

import json
import os
import sys

from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor


def exporter(way):
    """Told by the environment alone, as in a service."""
    if way == "grpc":
        from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter
    else:
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
    return OTLPSpanExporter()


def send(way, count):
    """The ids of so many spans, which have left when this returns."""
    provider = TracerProvider(resource=Resource.create({"service.name": f"python-{way}", "process.pid": os.getpid()}))
    provider.add_span_processor(BatchSpanProcessor(exporter(way), max_queue_size=100_000))
    tracer, ids = provider.get_tracer("interop"), []
    for number in range(count):
        with tracer.start_as_current_span(f"GET /orders/{number}", attributes={"number": number}) as span:
            span.add_event("seen", {"at": number})
            ids.append(f"{span.get_span_context().span_id:016x}")
    provider.shutdown()
    return ids


def workers(way, count, number):
    """The same, shared by forked children: one pipe each brings their ids."""
    readers = []
    for _ in range(number):
        reader, writer = os.pipe()
        if os.fork() == 0:
            os.write(writer, json.dumps(send(way, count // number)).encode())
            os._exit(0)
        os.close(writer)
        readers.append(reader)
    ids = [each for reader in readers for each in json.load(os.fdopen(reader))]
    for _ in readers:
        os.wait()
    return ids


way, count, *rest = sys.argv[1:]
print(json.dumps(workers(way, int(count), int(rest[0])) if rest else send(way, int(count))))  # noqa: T201 - its answer
