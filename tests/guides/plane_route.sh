# Shortcut: resolve virtual key server-side — the API key never touches the client
curl -X PUT https://vaultysclaw.acme.com/api/agents/{did}/llm-config \
-H "Cookie: ..." \
-H "Content-Type: application/json" \
-d '{
"realmId": "realm-uuid",
"realmModelId": "model-registry-id"
}'
