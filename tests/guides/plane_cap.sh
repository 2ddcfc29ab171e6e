curl -X POST .../api/models/{modelId}/realms \
-d '{ "realmId": "...", "monthlyBudgetUsd": 50.0 }'
