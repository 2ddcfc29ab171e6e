"""What the scripts of the client libraries share: what they ask, what they expect, and how they tell of it.

A script is run as `SCRIPT MODEL PART...` with BASE_URL and API_KEY in its environment. It prints one line a part: `PART ok`,
or `PART failed: why`.
"""

import os
import sys

os.environ["LITELLM_LOCAL_MODEL_COST_MAP"] = "True"

MODEL = sys.argv[1]
BASE_URL = os.environ["BASE_URL"]
API_KEY = os.environ["API_KEY"]

SYSTEM = "Be brief."
QUESTION = "Say three words."
ANSWER = "You said: Say three words. I was told: Be brief."
SEEN = "I see 1 images."
REASONING = "Let me think about it."
FACT = {"city": "Paris", "degrees": 21}
RESULTS = {"weather": "21 degrees", "now": "12:00"}
TOLD = "The tools said: 21 degrees and 12:00."
VECTOR = [0.5, -0.25, 1.0]
OUTPUT_TOKENS = 13

WEATHER = {
    "type": "object",
    "properties": {"city": {"type": "string", "description": "The city."}},
    "required": ["city"],
    "additionalProperties": False,
}
NOW = {"type": "object", "properties": {}, "additionalProperties": False}
TOOLS = {"weather": ("How warm it is.", WEATHER), "now": ("What time it is.", NOW)}
CALLS = [("weather", {"city": "Paris"}), ("now", {})]
FACT_SCHEMA = {
    "type": "object",
    "properties": {"city": {"type": "string"}, "degrees": {"type": "integer"}},
    "required": ["city", "degrees"],
    "additionalProperties": False,
}
PNG = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mP8z8BQDwAEhQGAhKmMIQAAAABJRU5ErkJggg=="


def same(got, expected):
    """Fails unless both are equal."""
    if got != expected:
        raise AssertionError(f"{got!r} in place of {expected!r}")


def reported(tokens):
    """Fails unless the output tokens are those that the model reports."""
    same(tokens, OUTPUT_TOKENS)


def run(parts):
    """Runs the parts that were asked for, each whatever became of those before."""
    for name in sys.argv[2:]:
        try:
            parts[name]()
            print(name, "ok")
        except Exception as error:
            why = " ".join(f"{type(error).__name__}: {error}".split())
            print(name, f"failed: {why[:1500]}")
