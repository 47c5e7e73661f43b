// The same in a web page: bundled by esbuild, run by Chromium on another origin than the receiver's.
import { BasicTracerProvider, SimpleSpanProcessor } from "@opentelemetry/sdk-trace-base";
import { OTLPTraceExporter } from "@opentelemetry/exporter-trace-otlp-http";
import { resourceFromAttributes } from "@opentelemetry/resources";

globalThis.send = async (url, count) => {
  const exporter = new OTLPTraceExporter({ url, headers: { "x-tenant": "shop" } });
  const provider = new BasicTracerProvider({
    resource: resourceFromAttributes({ "service.name": "page" }),
    spanProcessors: [new SimpleSpanProcessor(exporter)],
  });
  const ids = [];
  for (let number = 0; number < count; number += 1) {
    const span = provider.getTracer("page").startSpan(`click ${number}`);
    ids.push(span.spanContext().spanId);
    span.end();
  }
  await provider.forceFlush();
  return ids;
};
