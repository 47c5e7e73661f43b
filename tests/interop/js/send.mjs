// Sends spans with the OpenTelemetry SDK: node send.mjs proto|json|grpc URL COUNT. Prints the span ids it ended.
import { BasicTracerProvider, BatchSpanProcessor } from "@opentelemetry/sdk-trace-base";
import { resourceFromAttributes } from "@opentelemetry/resources";

const [way, url, count] = process.argv.slice(2);
const { OTLPTraceExporter } = await import(
  { proto: "@opentelemetry/exporter-trace-otlp-proto", json: "@opentelemetry/exporter-trace-otlp-http", grpc: "@opentelemetry/exporter-trace-otlp-grpc" }[way]
);
const provider = new BasicTracerProvider({
  resource: resourceFromAttributes({ "service.name": `js-${way}` }),
  spanProcessors: [new BatchSpanProcessor(new OTLPTraceExporter({ url }), { maxQueueSize: 100000 })],
});
const tracer = provider.getTracer("interop");
const ids = [];
for (let number = 0; number < Number(count); number += 1) {
  const span = tracer.startSpan(`GET /orders/${number}`, { attributes: { number, route: "/orders/{id}", ok: true, ratio: 0.5 } });
  span.addEvent("seen", { at: number });
  ids.push(span.spanContext().spanId);
  span.end();
}
await provider.forceFlush();
await provider.shutdown();
console.log(JSON.stringify(ids));
