curl -X POST https://vaultysclaw.acme.com/api/models \
-H "Cookie: next-auth.session-token=..." \
-H "Content-Type: application/json" \
-d '{
"name": "Llama 3 (local)",
"provider": "openai-compatible",
"modelId": "llama3-8b",
"baseUrl": "http://ollama:11434/v1"
}'
