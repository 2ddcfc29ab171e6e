MASTER_KEY=$(awk -F= '$1=="LITELLM_MASTER_KEY"{print $2}' volumes/env/.env)
export OPENAI_API_KEY=$(awk -F= '$1=="OPENAI_API_KEY"{print $2}' volumes/env/.env)
python - <<'PY'
import os, requests
master = os.environ['MASTER_KEY'].strip()
base = 'http://localhost:10999'
models = [
    {
        "model_name": "openai/gpt-5",
        "litellm_params": {
            "model": "gpt-5",
            "custom_llm_provider": "openai",
            "api_key": "os.environ/LITELLM_OPENAI_API_KEY"
        },
        "model_info": {
            "provider": "openai",
            "description": "OpenAI GPT-5"
        }
    },
    {
        "model_name": "openai/gpt-5-mini",
        "litellm_params": {
            "model": "gpt-5-mini",
            "custom_llm_provider": "openai",
            "api_key": "os.environ/LITELLM_OPENAI_API_KEY"
        },
        "model_info": {
            "provider": "openai",
            "description": "OpenAI GPT-5 mini"
        }
    },
    {
        "model_name": "anthropic/claude-sonnet-4-5",
        "litellm_params": {
            "model": "claude-sonnet-4-5",
            "custom_llm_provider": "anthropic",
            "api_key": "os.environ/LITELLM_ANTHROPIC_API_KEY"
        },
        "model_info": {
            "provider": "anthropic",
            "description": "Anthropic Claude Sonnet 4.5"
        }
    }
]
for payload in models:
    resp = requests.post(
        f"{base}/model/new",
        headers={"Authorization": f"Bearer {master}", "Content-Type": "application/json"},
        json=payload,
        timeout=60,
    )
    if resp.status_code not in (200, 201, 409):
        raise SystemExit(f"Failed to register {payload['model_name']}: {resp.status_code} {resp.text}")
    print(payload['model_name'], '=>', resp.status_code)
PY
