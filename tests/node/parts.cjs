// What the scripts of npm's client libraries share: what they ask, what they expect, and how they tell of it.
//
// A script is run as `SCRIPT MODEL PART...` with BASE_URL and API_KEY in its environment. It prints one line a part:
// `PART ok`, or `PART failed: why`.
const assert = require("node:assert/strict");

const png = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mP8z8BQDwAEhQGAhKmMIQAAAABJRU5ErkJggg==";
const weather = {
  type: "object",
  properties: { city: { type: "string" } },
  required: ["city"],
  additionalProperties: false,
};
const now = { type: "object", properties: {}, additionalProperties: false };

/** Runs the parts that were asked for, each whatever became of those before. */
async function run(parts) {
  for (const name of process.argv.slice(3)) {
    try {
      await parts[name]();
      console.log(name, "ok");
    } catch (error) {
      const why = `${error.name}: ${error.message} ${error.responseBody ?? ""}`;
      console.log(name, `failed: ${why.replace(/\s+/g, " ").slice(0, 1500)}`);
    }
  }
}

module.exports = {
  model: process.argv[2],
  baseURL: process.env.BASE_URL,
  apiKey: process.env.API_KEY,
  system: "Be brief.",
  question: "Say three words.",
  answer: "You said: Say three words. I was told: Be brief.",
  seen: "I see 1 images.",
  thought: "Let me think about it.",
  fact: { city: "Paris", degrees: 21 },
  results: { weather: "21 degrees", now: "12:00" },
  told: "The tools said: 21 degrees and 12:00.",
  tools: { weather: ["How warm it is.", weather], now: ["What time it is.", now] },
  calls: [["weather", { city: "Paris" }], ["now", {}]],
  vector: [0.5, -0.25, 1],
  outputTokens: 13,
  png,
  same: assert.deepEqual,
  run,
};
