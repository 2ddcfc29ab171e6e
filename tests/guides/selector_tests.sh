# Test model list endpoint
curl http://localhost:7777/models/list | jq

# Test current model
curl http://localhost:7777/models/current | jq

# Test model selection
curl -X POST http://localhost:7777/models/select \
  -H "Content-Type: application/json" \
  -d '{"model_id":"claude-sonnet-4-5","provider":"anthropic"}' | jq

# Test providers list
curl http://localhost:7777/models/providers | jq
