curl http://localhost:10999/key/update \
  -H "Authorization: Bearer $LITELLM_MASTER_KEY" \
  -H "Content-Type: application/json" \
  -d '{
    "key": "sk-...",            
    "models": ["openai/*", "anthropic/*"],
    "max_budget": 100
  }'
