curl -X POST https://vaultysclaw.acme.com/api/models/{modelId}/realms \
-H "Cookie: ..." \
-H "Content-Type: application/json" \
-d '{ "realmId": "realm-uuid" }'
