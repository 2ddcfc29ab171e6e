// Vercel's AI SDK, with the provider that PROVIDER names.
const { embed, generateText, jsonSchema, Output, stepCountIs, streamText, tool } = require("ai");
const { createAnthropic } = require("@ai-sdk/anthropic");
const { createGoogleGenerativeAI } = require("@ai-sdk/google");
const { createOpenAI } = require("@ai-sdk/openai");
const { createOpenAICompatible } = require("@ai-sdk/openai-compatible");
const parts = require("./parts.cjs");
const { same, answer, question, system } = parts;

globalThis.AI_SDK_LOG_WARNINGS = false;
const server = { baseURL: parts.baseURL, apiKey: parts.apiKey };
const compatible = () => createOpenAICompatible({ name: "simulated", supportsStructuredOutputs: true, ...server });
const [model, options, embedding] = {
  openai: () => [createOpenAI(server)(parts.model), { openai: { reasoningEffort: "low", reasoningSummary: "auto",
    forceReasoning: true, store: false } }],
  chat: () => [createOpenAI(server).chat(parts.model), {}, createOpenAI(server).textEmbeddingModel(parts.model)],
  anthropic: () => [createAnthropic(server)(parts.model), { anthropic: { thinking: { type: "enabled",
    budgetTokens: 1024 } } }],
  google: () => [createGoogleGenerativeAI(server)(parts.model), { google: { thinkingConfig: {
    includeThoughts: true } } }, createGoogleGenerativeAI(server).textEmbeddingModel(parts.model)],
  compatible: () => [compatible()(parts.model), { simulated: { reasoningEffort: "low" } },
    compatible().textEmbeddingModel(parts.model)],
}[process.env.PROVIDER]();

const more = { model, maxRetries: 0 };
const tools = Object.fromEntries(Object.entries(parts.tools).map(([name, [description, schema]]) => (
  [name, tool({ description, inputSchema: jsonSchema(schema), execute: async () => parts.results[name] })]
)));
const looping = { ...more, prompt: question, tools, stopWhen: stepCountIs(3) };

function looped(steps, text) {
  same(steps[0].toolCalls.map((call) => [call.toolName, call.input]), parts.calls);
  same([steps.length, text], [2, parts.told]);
}

parts.run({
  async chat() {
    const got = await generateText({ ...more, system, prompt: question });
    same([got.text, got.finishReason, got.usage.outputTokens], [answer, "stop", parts.outputTokens]);
  },
  async stream() {
    const got = streamText({ ...more, system, prompt: question, onError: () => {} });
    const pieces = [];
    for await (const piece of got.textStream) pieces.push(piece);
    same([pieces.join(""), pieces.length > 2, await got.finishReason], [answer, true, "stop"]);
  },
  async tools() {
    const got = await generateText(looping);
    looped(got.steps, got.text);
  },
  async "tools-streamed"() {
    const got = streamText({ ...looping, onError: () => {} });
    await got.consumeStream();
    looped(await got.steps, await got.text);
  },
  async images() {
    const content = [{ type: "text", text: question },
      { type: "image", image: `data:image/png;base64,${parts.png}` }];
    same((await generateText({ ...more, messages: [{ role: "user", content }] })).text, parts.seen);
  },
  async reasoning() {
    const got = await generateText({ ...more, system, prompt: question, providerOptions: options });
    same([got.reasoningText, got.text], [parts.thought, answer]);
    const again = await generateText({ ...looping, providerOptions: options });
    looped(again.steps, again.text);
  },
  async schema() {
    const schema = jsonSchema({ type: "object", properties: { city: { type: "string" }, degrees: { type: "integer" } },
      required: ["city", "degrees"], additionalProperties: false });
    const got = await generateText({ ...more, prompt: question, output: Output.object({ schema }) });
    same(got.output, parts.fact);
  },
  async embed() {
    same((await embed({ model: embedding, value: "three words", maxRetries: 0 })).embedding, parts.vector);
  },
});
