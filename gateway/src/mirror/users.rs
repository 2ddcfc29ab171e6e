//! Users.

use serde_json::{Map, json};
use tallygate_adapters::litellm::mirror::user;
use tallygate_core::id::UserId;

use super::hand::{Hand, Routes, said};
use super::outcome::{Outcome, Stuck};

/// Where users are asked for.
pub(super) const ROUTES: Routes = Routes {
    id: "user_id",
    info: ("/user/info", "user_id", "user_info"),
    new: "/user/new",
    update: "/user/update",
    block: None,
};

/// Makes a user what they are here. LiteLLM blocks no users: their keys are blocked.
pub(super) async fn user(hand: &Hand<'_>, id: &UserId) -> Result<Outcome, Stuck> {
    let control = &hand.snapshot.control;
    let Some(user) = control.users.get(id) else { return Ok(Outcome::InStep) };
    let there = hand.read(&ROUTES, id.as_str()).await?;
    if user.removed.is_some() {
        if there.is_some() {
            hand.proxy.post("/user/delete", &json!({ "user_ids": [id] }), None).await?;
        }
        return Ok(Outcome::InStep);
    }
    let wanted = user::wanted(control, user);
    if let Some(there) = there {
        return hand.keep(&ROUTES, id.as_str(), &wanted, &there, Map::new()).await;
    }
    let mut body = said(&wanted);
    // A key would come with it that nobody here knows of.
    body.insert("auto_create_key".to_owned(), json!(false));
    hand.make(&ROUTES, id.as_str(), &wanted, body, None).await
}
