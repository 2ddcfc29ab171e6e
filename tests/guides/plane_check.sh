curl https://vaultysclaw.acme.com/api/agents/{did}/realm-llm \
-H "Cookie: ..."
