MASTER_KEY=$(awk -F= '$1=="LITELLM_MASTER_KEY"{print $2}' volumes/env/.env)
VK=$(awk -F= '$1=="OPENAI_API_KEY"{print $2}' volumes/env/.env)
python - <<'PY'
import os, requests, json
resp = requests.post(
    'http://localhost:10999/key/update',
    headers={
        'Authorization': f"Bearer {os.environ['MASTER_KEY'].strip()}",
        'Content-Type': 'application/json'
    },
    json={'key': os.environ['VK'].strip(), 'models': []},
    timeout=60,
)
print(json.dumps(resp.json(), indent=2))
PY
