// What each Node library is made to do: run by capture.py where the library is installed.
// The provider's address is in PROVIDER; spans go to where the OTEL_* variables say.
import { createRequire } from "node:module";
import { pathToFileURL } from "node:url";
import { join } from "node:path";

const here = createRequire(join(process.cwd(), "package.json"));
const load = (name) => import(pathToFileURL(here.resolve(name)).href);
const { PROVIDER } = process.env;
const MODEL = "gpt-4o", REFUSED = "gpt-4o-mini", EMBEDDER = "text-embedding-3-small";
const QUESTION = "What is four plus five?";
const messages = [{ role: "user", content: QUESTION }];
const quietly = async (call) => { try { await call(); } catch { /* refused, as asked */ } };

async function sdk(instrumentations = []) {
  const { NodeSDK } = await load("@opentelemetry/sdk-node");
  const { OTLPTraceExporter } = await load("@opentelemetry/exporter-trace-otlp-proto");
  const node = new NodeSDK({ traceExporter: new OTLPTraceExporter(), instrumentations });
  node.start();
  return node;
}

async function vercelCalls(ai, options) {
  const { createOpenAI } = await load("@ai-sdk/openai");
  const openai = createOpenAI({ baseURL: `${PROVIDER}/v1`, apiKey: "none" });
  const common = { prompt: QUESTION, maxRetries: 0, ...options };
  await ai.generateText({ model: openai.chat(MODEL), ...common });
  const stream = ai.streamText({ model: openai.chat(MODEL), ...common });
  for await (const _ of stream.textStream);
  await quietly(() => ai.generateText({ model: openai.chat(REFUSED), ...common }));
  await ai.embed({ model: openai.textEmbeddingModel ? openai.textEmbeddingModel(EMBEDDER) : openai.embeddingModel(EMBEDDER), value: QUESTION, maxRetries: 0, ...options });
}

async function openaiCalls(OpenAI) {
  const client = new OpenAI({ baseURL: `${PROVIDER}/v1`, apiKey: "none", maxRetries: 0 });
  await client.chat.completions.create({ model: MODEL, messages, temperature: 0.2 });
  const stream = await client.chat.completions.create({
    model: MODEL, messages, stream: true, stream_options: { include_usage: true },
  });
  for await (const _ of stream);
  await quietly(() => client.chat.completions.create({ model: REFUSED, messages }));
  await client.embeddings.create({ model: EMBEDDER, input: QUESTION });
}

const programs = {
  async vercel() {
    const node = await sdk();
    const telemetry = { isEnabled: true, functionId: "greeter", metadata: { userId: "u-1" } };
    await vercelCalls(await load("ai"), { experimental_telemetry: telemetry });
    await node.shutdown();
  },
  async vercel_otel() {
    const node = await sdk();
    const ai = await load("ai");
    const { OpenTelemetry } = await load("@ai-sdk/otel");
    const register = ai.registerTelemetry ?? ai.registerTelemetryIntegration;
    register(new OpenTelemetry());
    await vercelCalls(ai, { experimental_telemetry: { isEnabled: true, functionId: "greeter" } });
    await node.shutdown();
  },
  async openllmetry_js() {
    const { OpenAIInstrumentation } = await load("@traceloop/instrumentation-openai");
    const instrumentation = new OpenAIInstrumentation();
    const node = await sdk([instrumentation]);
    const { OpenAI } = here("openai");
    instrumentation.manuallyInstrument(OpenAI);
    await openaiCalls(OpenAI);
    await node.shutdown();
  },
  async openinference_js() {
    const { OpenAIInstrumentation } = await load("@arizeai/openinference-instrumentation-openai");
    const instrumentation = new OpenAIInstrumentation();
    const node = await sdk([instrumentation]);
    const { OpenAI } = here("openai");
    instrumentation.manuallyInstrument(OpenAI);
    await openaiCalls(OpenAI);
    await node.shutdown();
  },
};

await programs[process.argv[2]]();
process.exit(0);
