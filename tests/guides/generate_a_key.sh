curl http://localhost:10999/key/generate \
  -H "Authorization: Bearer $LITELLM_MASTER_KEY" \
  -H "Content-Type: application/json" \
  -d '{
    "key_alias": "demo-user",
    "user_id": "demo",
    "models": ["openai/gpt-4o-mini"],
    "duration": "30d",
    "max_budget": 50,
    "metadata": {"team": "sandbox"}
  }'
