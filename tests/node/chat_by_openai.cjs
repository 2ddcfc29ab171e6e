// The openai library of npm, chat completions.
const { OpenAI } = require("openai");
const parts = require("./parts.cjs");
const { model, same, answer, question } = parts;

const client = new OpenAI({ baseURL: parts.baseURL, apiKey: parts.apiKey, maxRetries: 0, timeout: 30_000 });
const messages = [{ role: "system", content: parts.system }, { role: "user", content: question }];
const functions = Object.entries(parts.tools).map(([name, [description, parameters]]) => (
  { type: "function", function: { name, description, parameters } }
));

const ask = (messages, more = {}) => client.chat.completions.create({ model, messages, ...more });

async function finish(asked, message) {
  const calls = message.tool_calls;
  same(calls.map((call) => [call.function.name, JSON.parse(call.function.arguments)]), parts.calls);
  const results = calls.map((call) => (
    { role: "tool", tool_call_id: call.id, content: parts.results[call.function.name] }
  ));
  const last = await ask([...asked, message, ...results], { tools: functions });
  same(last.choices[0].message.content, parts.told);
}

parts.run({
  async chat() {
    const got = await ask(messages);
    same([got.choices[0].message.content, got.choices[0].finish_reason], [answer, "stop"]);
    same(got.usage.completion_tokens, parts.outputTokens);
  },
  async stream() {
    const pieces = [];
    let tokens;
    for await (const chunk of await ask(messages, { stream: true, stream_options: { include_usage: true } })) {
      pieces.push(...chunk.choices.map((choice) => choice.delta.content ?? "").filter(Boolean));
      tokens = chunk.usage?.completion_tokens ?? tokens;
    }
    same([pieces.join(""), pieces.length > 2, tokens], [answer, true, parts.outputTokens]);
  },
  async tools() {
    const got = await ask([messages[1]], { tools: functions });
    await finish([messages[1]], got.choices[0].message);
  },
  async "tools-streamed"() {
    const stream = client.chat.completions.stream({ model, messages: [messages[1]], tools: functions });
    const message = await stream.finalMessage();
    await finish([messages[1]], { role: "assistant", content: null, tool_calls: message.tool_calls });
  },
  async images() {
    const image = { type: "image_url", image_url: { url: `data:image/png;base64,${parts.png}` } };
    const got = await ask([{ role: "user", content: [{ type: "text", text: question }, image] }]);
    same(got.choices[0].message.content, parts.seen);
  },
  async embed() {
    const got = await client.embeddings.create({ model, input: ["three", "words"] });
    same(got.data.map((entry) => entry.embedding), [parts.vector, parts.vector]);
  },
});
