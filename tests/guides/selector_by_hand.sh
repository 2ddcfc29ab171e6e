   curl -X POST http://localhost:7777/models/select \
     -H "Content-Type: application/json" \
     -d '{"model_id":"gpt-4o","provider":"openai"}'
