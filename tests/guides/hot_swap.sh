# Ensure the CLI reads the latest virtual key
export OPENAI_API_KEY=$(awk -F= '$1=="OPENAI_API_KEY"{print $2}' volumes/env/.env)

# OpenAI gpt-5 alias
python ai/agents/task_agent/a2a_hot_swap.py \
  --url http://localhost:10900/a2a/litellm_agent \
  --model openai gpt-5 \
  --context switch-demo

# Confirm the response comes from the new model
python ai/agents/task_agent/a2a_hot_swap.py \
  --url http://localhost:10900/a2a/litellm_agent \
  --message "Which model am I using?" \
  --context switch-demo

# Swap to gpt-5-mini
python ai/agents/task_agent/a2a_hot_swap.py --url http://localhost:10900/a2a/litellm_agent --model openai gpt-5-mini --context switch-demo

# Swap to Anthropic Claude Sonnet 4.5
python ai/agents/task_agent/a2a_hot_swap.py --url http://localhost:10900/a2a/litellm_agent --model anthropic claude-sonnet-4-5 --context switch-demo
