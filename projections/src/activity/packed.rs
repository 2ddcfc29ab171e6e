//! Usage records as bytes, one after the other: what many requests have in common, their *origin*, is written with the
//! first of them. So a record takes some 70 bytes where it alone would take 350.

use std::borrow::Cow;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use tallygate_core::activity::{Charged, Endpoint, Outcome, RequestRefused, RequestSettled, Tags};
use tallygate_core::id::{DeploymentId, KeyId, ModelName, RealmId, RequestId, UserId, VendorId};
use tallygate_core::money::NanoUsd;
use tallygate_core::price::Unpriced;
use tallygate_core::stream::Position;
use tallygate_core::time::Timestamp;

use super::places::Places;
use super::record::{Ending, UsageRecord};
use super::steps::Steps;
use super::tokens::Tokens;
use crate::row_codec::{self, RowError};

const NAME: &str = "usage records";
/// An origin is looked for among so many of the newest; one that is older is written again.
const ORIGINS_LOOKED_AT: usize = 16;

/// What requests of one key for one model have in common.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Origin {
    endpoint: Endpoint,
    key: KeyId,
    user: Option<UserId>,
    requested_model: ModelName,
    model: ModelName,
    deployment: DeploymentId,
    vendor: VendorId,
    upstream_model: String,
    streamed: bool,
    price: Option<Position>,
    charged: Vec<Charged>,
    tags: Tags,
}

/// What is a request's own.
#[derive(Debug, Serialize, Deserialize)]
struct Own<'a> {
    request: RequestId,
    provider_request: Option<Cow<'a, str>>,
    end_user: Option<Cow<'a, str>>,
    outcome: Outcome,
    status: u16,
    tokens: Tokens,
    estimated: bool,
    cost_nano_usd: Option<NanoUsd>,
    unpriced: Option<Unpriced>,
    /// Before the record's own moment, in milliseconds.
    started_before_ms: i64,
    first_byte_ms: Option<u64>,
    duration_ms: u64,
    route: Steps,
    candidates: Places,
}

#[derive(Debug, Serialize, Deserialize)]
enum Packed<'a> {
    /// Of the origin with this number.
    Settled(usize, Own<'a>),
    /// Of an origin that follows; it gets the next number.
    SettledFirst(Cow<'a, Origin>, Own<'a>),
    Refused(Cow<'a, RequestRefused>),
}

/// What the next record is packed against.
#[derive(Debug, Clone, Default)]
pub(super) struct Context {
    origins: Vec<Origin>,
    at: i64,
}

impl Origin {
    fn of(settled: &RequestSettled) -> Self {
        Self {
            endpoint: settled.endpoint,
            key: settled.key,
            user: settled.user.clone(),
            requested_model: settled.requested_model.clone(),
            model: settled.model.clone(),
            deployment: settled.deployment.clone(),
            vendor: settled.vendor.clone(),
            upstream_model: settled.upstream_model.clone(),
            streamed: settled.streamed,
            price: settled.price,
            charged: settled.charged.clone(),
            tags: settled.tags.clone(),
        }
    }

    fn is_of(&self, settled: &RequestSettled) -> bool {
        self.key == settled.key
            && self.endpoint == settled.endpoint
            && self.streamed == settled.streamed
            && self.price == settled.price
            && self.requested_model == settled.requested_model
            && self.deployment == settled.deployment
            && self.model == settled.model
            && self.vendor == settled.vendor
            && self.upstream_model == settled.upstream_model
            && self.user == settled.user
            && self.charged == settled.charged
            && self.tags == settled.tags
    }

    fn settled(&self, own: Own<'_>, at: i64) -> RequestSettled {
        let Self { endpoint, key, user, requested_model, model, deployment, vendor, upstream_model, .. } = self.clone();
        RequestSettled {
            request: own.request,
            provider_request: own.provider_request.map(Cow::into_owned),
            endpoint,
            key,
            user,
            end_user: own.end_user.map(Cow::into_owned),
            requested_model,
            model,
            deployment,
            vendor,
            upstream_model,
            outcome: own.outcome,
            status: own.status,
            streamed: self.streamed,
            usage: own.tokens.into(),
            estimated: own.estimated,
            price: self.price,
            cost_nano_usd: own.cost_nano_usd,
            unpriced: own.unpriced,
            charged: self.charged.clone(),
            started_at: Timestamp::from_millis(at.wrapping_sub(own.started_before_ms)),
            first_byte_ms: own.first_byte_ms,
            duration_ms: own.duration_ms,
            route: own.route.into(),
            candidates: own.candidates.into(),
            tags: self.tags.clone(),
        }
    }
}

impl<'a> Own<'a> {
    fn of(settled: &'a RequestSettled, at: i64) -> Self {
        Self {
            request: settled.request,
            provider_request: settled.provider_request.as_deref().map(Cow::Borrowed),
            end_user: settled.end_user.as_deref().map(Cow::Borrowed),
            outcome: settled.outcome,
            status: settled.status,
            tokens: settled.usage.into(),
            estimated: settled.estimated,
            cost_nano_usd: settled.cost_nano_usd,
            unpriced: settled.unpriced,
            started_before_ms: at.wrapping_sub(settled.started_at.millis()),
            first_byte_ms: settled.first_byte_ms,
            duration_ms: settled.duration_ms,
            route: (&settled.route).into(),
            candidates: settled.candidates.as_deref().into(),
        }
    }
}

impl Context {
    /// Appends a record.
    pub(super) fn pack(&mut self, record: &UsageRecord, bytes: &mut Vec<u8>) -> Result<(), RowError> {
        let at = record.at.millis();
        row_codec::append(NAME, &at.wrapping_sub(self.at), bytes)?;
        self.at = at;
        let settled = match &record.ending {
            Ending::Settled(settled) => settled,
            Ending::Refused(refused) => {
                return row_codec::append(NAME, &Packed::Refused(Cow::Borrowed(refused)), bytes);
            }
        };
        let own = Own::of(settled, at);
        let recent = self.origins.len().saturating_sub(ORIGINS_LOOKED_AT);
        let known = self.origins.iter().skip(recent).rposition(|origin| origin.is_of(settled));
        if let Some(number) = known {
            return row_codec::append(NAME, &Packed::Settled(recent + number, own), bytes);
        }
        let origin = Origin::of(settled);
        row_codec::append(NAME, &Packed::SettledFirst(Cow::Borrowed(&origin), own), bytes)?;
        self.origins.push(origin);
        Ok(())
    }

    /// Takes the next record off the bytes.
    pub(super) fn unpack(&mut self, realm: Option<&RealmId>, bytes: &mut &[u8]) -> Result<UsageRecord, RowError> {
        self.at = self.at.wrapping_add(row_codec::take(NAME, bytes)?);
        let ending = match row_codec::take(NAME, bytes)? {
            Packed::Refused(refused) => Ending::Refused(refused.into_owned()),
            Packed::Settled(number, own) => {
                let origin = self.origins.get(number).ok_or(RowError::Origin { number })?;
                Ending::Settled(Arc::new(origin.settled(own, self.at)))
            }
            Packed::SettledFirst(origin, own) => {
                let origin = origin.into_owned();
                let settled = origin.settled(own, self.at);
                self.origins.push(origin);
                Ending::Settled(Arc::new(settled))
            }
        };
        Ok(UsageRecord { realm: realm.cloned(), at: Timestamp::from_millis(self.at), ending })
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use proptest::prelude::{Just, Strategy, any, prop_assert, prop_assert_eq, prop_oneof, proptest};
    use tallygate_core::activity::{Charge, Endpoint, Outcome, RequestRefused, RequestSettled, Tags};
    use tallygate_core::id::{DeploymentId, ModelName, RealmId, RequestId, VendorId};
    use tallygate_core::money::NanoUsd;
    use tallygate_core::port::provider::failure::Kind;
    use tallygate_core::price::{ServiceTier, Unpriced};
    use tallygate_core::routing::{Attempt, Considered, End, Place, Route, Stands, Strategy as By};
    use tallygate_core::scope::Scope;
    use tallygate_core::stream::Position;
    use tallygate_core::testing::samples::key_id;
    use tallygate_core::time::{Period, Timestamp};
    use tallygate_core::usage::Usage;
    use uuid::Uuid;

    use super::super::block::OpenBlock;
    use super::{Ending, UsageRecord};

    fn realm() -> RealmId {
        RealmId::default_realm()
    }

    fn route(attempts: u128) -> Route {
        let attempt = |number| Attempt {
            deployment: DeploymentId::new(format!("d{number}")).unwrap(),
            model: ModelName::new("m").unwrap(),
            ended: if number == 0 { End::OK } else { End::failed(Kind::Overloaded) },
            status: (number == 1).then_some(503),
            ms: 7,
        };
        (0..attempts).map(attempt).collect::<Vec<_>>().try_into().unwrap()
    }

    fn candidates(count: u128) -> Option<Box<Considered>> {
        let place = |number| Place {
            deployment: DeploymentId::new(format!("d{number}")).unwrap(),
            score: 7,
            stands: if number == 0 { Stands::Ready } else { Stands::Cooling },
            used_up: number == 1,
        };
        let considered = Considered { strategy: By::Usage, ranked: (0..count).map(place).collect(), more: 2 };
        (count > 1).then(|| Box::new(considered))
    }

    /// Few keys and models, so that origins come again, and now and then one that was long ago.
    fn settled() -> impl Strategy<Value = Ending> {
        let own = (
            any::<u128>(),
            any::<Option<i64>>(),
            any::<([u64; 5], [u64; 6])>(),
            "[a-z]{0,3}",
            any::<i64>(),
            any::<u64>(),
        );
        let origin = (0_u128..40, 0_u32..3, any::<bool>(), proptest::option::of(0_u64..3));
        (own, origin).prop_map(|((id, cost, classes, text, started, ms), (key, model, streamed, price))| {
            let ([input_tokens, cached_input_tokens, cache_write_tokens, output_tokens, reasoning_tokens], others) =
                classes;
            let [
                cache_write_1h_tokens,
                audio_input_tokens,
                image_input_tokens,
                audio_output_tokens,
                image_output_tokens,
                requests,
            ] = others;
            let name = format!("m{model}");
            let text = (!text.is_empty()).then_some(text);
            Ending::Settled(Arc::new(RequestSettled {
                request: RequestId::new(Uuid::from_u128(id)),
                provider_request: text.clone(),
                endpoint: if streamed { Endpoint::Chat } else { Endpoint::Embeddings },
                key: key_id(key),
                user: None,
                end_user: text,
                requested_model: ModelName::new(&name).unwrap(),
                model: ModelName::new(&name).unwrap(),
                deployment: DeploymentId::new(&name).unwrap(),
                vendor: VendorId::new("acme").unwrap(),
                upstream_model: name,
                outcome: if streamed { Outcome::Succeeded } else { Outcome::Disconnected },
                status: 200,
                streamed,
                usage: Usage {
                    input_tokens,
                    cached_input_tokens,
                    cache_write_tokens,
                    cache_write_1h_tokens,
                    audio_input_tokens,
                    image_input_tokens,
                    output_tokens,
                    reasoning_tokens,
                    audio_output_tokens,
                    image_output_tokens,
                    requests,
                    service_tier: if streamed { ServiceTier::Flex } else { ServiceTier::Standard },
                },
                estimated: !streamed,
                price: price.map(Position::new),
                cost_nano_usd: cost.map(NanoUsd::new),
                unpriced: cost.is_none().then_some(Unpriced::NoPrice),
                charged: vec![
                    Charge { scope: Scope::Key(key_id(key)), period: Period::Total, window: Timestamp::from_millis(1) }
                        .into(),
                ],
                started_at: Timestamp::from_millis(started),
                first_byte_ms: streamed.then_some(ms),
                duration_ms: ms,
                route: route(key % 4),
                candidates: candidates(key % 3),
                tags: Tags::of((key % 2 == 0).then_some("even")),
            }))
        })
    }

    fn refused() -> impl Strategy<Value = Ending> {
        (any::<u128>(), any::<u64>()).prop_map(|(id, count)| {
            Ending::Refused(RequestRefused {
                request: RequestId::new(Uuid::from_u128(id)),
                endpoint: Endpoint::Chat,
                key: None,
                requested_model: None,
                code: "key_unknown".to_owned(),
                status: 401,
                scope: None,
                count,
            })
        })
    }

    fn records() -> impl Strategy<Value = Vec<UsageRecord>> {
        let ending = prop_oneof![4 => settled(), 1 => refused()];
        let record = (any::<i64>(), ending, Just(realm())).prop_map(|(at, ending, realm)| UsageRecord {
            realm: Some(realm),
            at: Timestamp::from_millis(at),
            ending,
        });
        proptest::collection::vec(record, 0..60)
    }

    proptest! {
        #[test]
        fn records_read_back_and_a_block_that_is_opened_again_is_filled_on_in_the_same_way(
            records in records(), opened_again_after in 0_usize..60,
        ) {
            let mut whole = OpenBlock::new(Some(realm()), 0);
            let mut again = whole.clone();
            for (number, record) in records.iter().enumerate() {
                if number == opened_again_after {
                    again = OpenBlock::stored(0, &again.block).unwrap();
                }
                whole.push(record).unwrap();
                again.push(record).unwrap();
            }
            prop_assert_eq!(whole.block.records().unwrap(), records);
            prop_assert!(whole.block == again.block && whole.summary == again.summary);
        }
    }
}
