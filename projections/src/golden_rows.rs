//! A tripwire: the bytes of sample rows of every table. A changed layout must have a new schema number, or rows that
//! an older version wrote are read as something they are not.

mod agents;
mod end_users;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::Bytes;
use tallygate_core::activity::{Charge, Endpoint, Event, Outcome, RequestRefused, RequestSettled};
use tallygate_core::budget::{NewBudgetLimit, SetBudget};
use tallygate_core::credential::StoreCredential;
use tallygate_core::envelope::Line;
use tallygate_core::id::{KeyAlias, RealmId, RequestId, UserId};
use tallygate_core::json::Json;
use tallygate_core::key::IssueKey;
use tallygate_core::lease::event::{Joined, Opened, Part, Suspended, Why, Window};
use tallygate_core::lease::{AccountId, Book, Epoch, Event as LeaseEvent, Root};
use tallygate_core::limits::Limits;
use tallygate_core::money::NanoUsd;
use tallygate_core::port::event_log::EventLog as _;
use tallygate_core::port::provider::failure::Kind;
use tallygate_core::price::ServiceTier;
use tallygate_core::realm::RegisterRealm;
use tallygate_core::registry::{NewDeployment, RegisterModel, SetRouting};
use tallygate_core::routing::{Attempt, Considered, Cooldown, End, Place, Route, Routing, Stands, Strategy};
use tallygate_core::scope::Scope;
use tallygate_core::secret::{SealedSecret, SecretSource};
use tallygate_core::selection::SelectModel;
use tallygate_core::stream::{ChainId, Log, Offset, Position, StreamId};
use tallygate_core::testing::activity_writer::{ActivityWriter, Happened};
use tallygate_core::testing::control_writer::ControlWriter;
use tallygate_core::testing::drive::block_on;
use tallygate_core::testing::memory_log::MemoryLog;
use tallygate_core::testing::samples::{self, id, only};
use tallygate_core::time::{Period, Timestamp};
use tallygate_core::usage::Usage;
use tallygate_core::user::{RegisterUser, Role};
use uuid::Uuid;

use crate::activity::block::{OpenBlock, SUMMARIES};
use crate::activity::record::{Ending, UsageRecord};
use crate::fold::{activity_rows, control_rows};
use crate::follow::activity_reader::ActivityGroup;
use crate::follow::chain::ChainTip;
use crate::follow::control_reader::ControlCheckpoint;
use crate::lease_books::{self, ChainMark};
use crate::row_codec::RowTable;
use crate::row_key::RowKey;
use crate::store::{Layout, META_TABLE, Settings, Store, StoredRow, Writes};
use crate::{rebuild_activity, rebuild_control};

/// Rows as text, key and value in hexadecimal digits, by the table's id.
type Rows = BTreeMap<u8, String>;

fn limits() -> Limits {
    Limits { requests_per_minute: Some(600), tokens_per_minute: None, parallel_requests: Some(3) }
}

fn json() -> Json {
    samples::json(r#"{"team":"blue"}"#)
}

fn budget(scope: Scope) -> SetBudget {
    let limit = |period| NewBudgetLimit { period, anchor: None, limit_nano_usd: NanoUsd::new(50_000_000_000) };
    SetBudget {
        scope,
        limits: vec![limit(Period::Months(1)), limit(Period::Seconds(86_400)), limit(Period::Total)],
        reclaim_after_seconds: None,
    }
}

fn control_log() -> MemoryLog {
    let (log, mut writer) = (MemoryLog::new(Log::Control), ControlWriter::new());
    let acme: RealmId = id("acme");
    let sealed = SealedSecret { key_id: "k1".to_owned(), nonce: [7; 24], ciphertext: vec![0, 255, 16] };
    let mut deployment = NewDeployment {
        base_url: Some("https://eu.acme.example".to_owned()),
        credential: Some(samples::credential_id(1)),
        info: json(),
        ..samples::new_deployment("gpt-eu")
    };
    deployment.params = json();
    let batches = [
        writer.command(RegisterRealm { models: Some(only(["gpt", "x/*"])), ..samples::register_realm("acme") }),
        writer.command(RegisterRealm {
            parent: Some(acme.clone()),
            name: Some("Europe".to_owned()),
            limits: limits(),
            metadata: json(),
            ..samples::register_realm("acme.eu")
        }),
        writer.command(StoreCredential {
            realm: acme.clone(),
            secret: SecretSource::Sealed(sealed),
            ..samples::store_credential(1)
        }),
        writer.command(RegisterModel {
            realm: acme.clone(),
            deployments: vec![deployment],
            ..samples::register_model(1, "gpt")
        }),
        writer.command(IssueKey {
            realm: acme.clone(),
            alias: Some(KeyAlias::new("ci").unwrap()),
            user: Some(UserId::new("ada").unwrap()),
            models: only(["gpt"]),
            aliases: [(id("fast"), id("gpt"))].into(),
            limits: limits(),
            expires_at: Some(Timestamp::from_millis(1_900_000_000_000)),
            metadata: json(),
            ..samples::issue_key(1)
        }),
        writer.command(budget(Scope::Key(samples::key_id(1)))),
        writer.command(budget(Scope::Realm(acme.clone()))),
        writer.command(SelectModel { scope: Scope::Realm(acme), slot: id("current"), model: id("gpt") }),
        writer.unknown_event(StreamId::key(samples::key_id(2))),
        writer.command(SetRouting { model: samples::model_id(1), routing: Some(routing()) }),
        writer.command(RegisterUser {
            realm: Some(id("acme")),
            alias: Some("Ada".to_owned()),
            email: Some("ada@acme.example".to_owned()),
            role: Role::RealmAdmin,
            memberships: [(id("acme.eu"), Role::Viewer)].into(),
            limits: limits(),
            metadata: json(),
            ..samples::register_user("ada")
        }),
    ];
    for batch in batches {
        block_on(log.append(batch)).unwrap();
    }
    log
}

fn settled() -> RequestSettled {
    RequestSettled {
        request: RequestId::new(Uuid::from_u128(0x0199_0000_0000_7000_8000_0000_0000_0001)),
        provider_request: Some("chatcmpl-1".to_owned()),
        endpoint: Endpoint::Chat,
        key: samples::key_id(1),
        user: Some(id("ada")),
        end_user: Some("customer 7".to_owned()),
        requested_model: id("fast"),
        model: id("gpt"),
        deployment: id("gpt-eu"),
        vendor: id(samples::VENDOR),
        upstream_model: "gpt-1".to_owned(),
        outcome: Outcome::Disconnected,
        status: 499,
        streamed: true,
        usage: Usage {
            // A sum has five classes: input 1, cached 2, written 3.
            input_tokens: 0,
            cached_input_tokens: 2,
            cache_write_tokens: 2,
            output_tokens: 400,
            reasoning_tokens: 5,
            cache_write_1h_tokens: 1,
            audio_input_tokens: 1,
            image_input_tokens: 0,
            audio_output_tokens: 9,
            image_output_tokens: 10,
            requests: 1,
            service_tier: ServiceTier::Priority,
        },
        estimated: false,
        price: Some(Position::new(4)),
        cost_nano_usd: Some(NanoUsd::new(123_456_789)),
        unpriced: None,
        charged: vec![
            Charge {
                scope: Scope::Key(samples::key_id(1)),
                period: Period::Months(1),
                window: Timestamp::from_millis(1_795_169_730_123),
            }
            .into(),
        ],
        started_at: Timestamp::from_millis(1_795_169_730_123),
        first_byte_ms: Some(120),
        duration_ms: 900,
        route: route(),
        candidates: Some(Box::new(candidates())),
    }
}

fn routing() -> Routing {
    Routing {
        strategy: Strategy::LowestLatency,
        retries: 3,
        fallbacks: vec![id("gpt-large"), id("gpt-old")],
        context_window_fallbacks: vec![id("gpt-long")],
        content_policy_fallbacks: Vec::new(),
        cooldown: Cooldown { allowed_failures: 5, first_ms: 10_000 },
    }
}

/// Two attempts, on two models.
fn route() -> Route {
    let attempt = |deployment: &str, model: &str, ended, status, ms| Attempt {
        deployment: id(deployment),
        model: id(model),
        ended,
        status,
        ms,
    };
    let failed = attempt("gpt-us", "gpt-large", End::failed(Kind::Overloaded), Some(503), 300);
    vec![failed, attempt("gpt-eu", "gpt", End::LEFT, None, 600)].try_into().unwrap()
}

fn candidates() -> Considered {
    let place = |deployment: &str, stands| Place { deployment: id(deployment), score: 9, stands, used_up: true };
    let ranked = vec![place("gpt-us", Stands::Ready), place("gpt-eu", Stands::Probe)];
    Considered { strategy: Strategy::LeastBusy, ranked, more: 1 }
}

fn refused() -> RequestRefused {
    RequestRefused {
        request: RequestId::new(Uuid::from_u128(0x0199_0000_0000_7000_8000_0000_0000_0002)),
        endpoint: Endpoint::Embeddings,
        key: None,
        requested_model: Some(id("gpt")),
        code: "key_unknown".to_owned(),
        status: 401,
        scope: None,
        count: 9,
    }
}

fn activity_log() -> MemoryLog {
    let (log, mut writer) = (MemoryLog::new(Log::Activity), ActivityWriter::new("gateway-1"));
    let at = Timestamp::from_millis(1_795_169_731_023);
    let batch = writer.batch(&[
        Happened { realm: Some(id("acme")), at, event: Event::RequestSettled(Arc::new(settled())) },
        Happened { realm: None, at, event: Event::RequestRefused(refused()) },
    ]);
    block_on(log.append(batch)).unwrap();
    log
}

/// A block is full only when it is large, so its summary is made by hand.
fn summary() -> (String, String) {
    let realm = Some(id("acme"));
    let at = Timestamp::from_millis(1_795_169_731_023);
    let record = UsageRecord { realm: realm.clone(), at, ending: Ending::Settled(Arc::new(settled())) };
    let mut open = OpenBlock::new(realm, 3);
    open.push(&record).unwrap();
    open.summary.finish();
    let row = SUMMARIES.encode(&open.summary).unwrap();
    (hex(open.summary.key().as_bytes()), hex(&row))
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn open(dir: &Path, layout: Layout) -> Store {
    Store::open_as_it_is(dir, &Settings { layout, cache_bytes: 1024 * 1024, write_bytes: 1024 * 1024 }, &|_| Ok(()))
        .unwrap()
        .0
}

fn line((key, value): &StoredRow) -> String {
    format!("{} {}\n", hex(key), hex(value))
}

fn rows_of(store: &Store, rows: &mut Rows) {
    for row in store.scan_tables().map(Result::unwrap) {
        *rows.entry(row.0[0]).or_default() += &line(&row);
    }
}

/// What the store says about itself, but for its layout, which any new schema changes, and how often it was written.
fn meta_of(store: &Store) -> String {
    let meta = RowTable::<()>::new(META_TABLE, 1, "meta");
    let own = ["layout", "generation"].map(|name| RowKey::of(&meta).text(name).into_bytes());
    let rows = store.scan(&RowKey::of(&meta)).map(Result::unwrap);
    rows.filter(|(key, _)| !own.contains(key)).map(|row| line(&row)).collect()
}

/// A checkpoint behind a forged line.
fn checkpoint() -> ControlCheckpoint {
    let forged = Line::from_bytes(Bytes::from_static(b"a forged line"));
    let mut tip = ChainTip::START;
    tip.skip_foreign(&forged);
    ControlCheckpoint { offset: Offset::new(300), last_line: forged.hash(), tip }
}

/// The book of a chain with one of everything.
fn lease_book() -> Book {
    let gateway = id("gateway-1");
    let account = AccountId {
        scope: Scope::Realm(id("acme")),
        period: Period::Months(1),
        window: Timestamp::from_millis(1_795_169_730_123),
    };
    let window = Window {
        account: account.clone(),
        ends_at: Some(Timestamp::from_millis(1_797_761_730_123)),
        limit_nano_usd: NanoUsd::new(50_000_000_000),
        control: Position::new(7),
        posted_nano_usd: NanoUsd::new(5),
        granted_nano_usd: NanoUsd::new(50_000_000),
    };
    let part = Part { account, amount_nano_usd: NanoUsd::new(300) };
    let epoch = Epoch::new(1);
    let events = [
        LeaseEvent::Joined(Joined { gateway: id("gateway-1"), epoch }),
        LeaseEvent::Opened(Opened { gateway: id("gateway-1"), epoch, windows: vec![window] }),
        LeaseEvent::Suspended(Suspended { gateway, epoch, why: Why::OutcomeUnknown, slices: vec![part] }),
    ];
    let mut book = Book::default();
    for (position, event) in (1..).zip(&events) {
        book.evolve(Position::new(position), Timestamp::from_millis(1_795_169_731_023), event);
    }
    book
}

/// Rows of the lease log's books, and their checkpoint.
fn lease_rows(rows: &mut Rows) -> String {
    let folder = tempfile::tempdir().unwrap();
    let store = open(&folder.path().join("lease"), lease_books::LAYOUT);
    let (book, ControlCheckpoint { offset, last_line, tip }) = (lease_book(), checkpoint());
    let touched: Vec<AccountId> = book.accounts().map(|(account, _)| account.clone()).collect();
    let mark = ChainMark { tip, read: Position::new(2), is_readable: true };
    let mut writes = Writes::default();
    lease_books::rows::write_chain(&Root::Realm(id("acme")), &mark, &book, &touched, &mut writes).unwrap();
    lease_books::rows::write_checkpoint(offset, last_line, &mut writes).unwrap();
    store.apply(writes);
    rows_of(&store, rows);
    meta_of(&store)
}

/// Checkpoints of both logs.
fn checkpoints() -> [String; 2] {
    let folder = tempfile::tempdir().unwrap();
    let control = open(&folder.path().join("control"), control_rows::LAYOUT);
    let mut writes = Writes::default();
    control_rows::write_checkpoint(checkpoint(), Timestamp::from_millis(1_795_169_731_023), &mut writes).unwrap();
    control.apply(writes);
    let activity = open(&folder.path().join("activity"), activity_rows::LAYOUT);
    let ControlCheckpoint { offset, last_line, tip } = checkpoint();
    let tips = [(ChainId::writer(&id("gateway-1")), tip)].into();
    let mut writes = Writes::default();
    let group = ActivityGroup { events: Vec::new(), offset, last_line, tips };
    activity_rows::write_checkpoint(&group, &mut writes).unwrap();
    activity.apply(writes);
    [meta_of(&control), meta_of(&activity)]
}

fn samples_of_rows() -> Rows {
    let folder = tempfile::tempdir().unwrap();
    block_on(rebuild_control(&control_log(), None, folder.path())).unwrap();
    block_on(rebuild_activity(&activity_log(), None, folder.path())).unwrap();
    let control = open(&folder.path().join("control"), control_rows::LAYOUT);
    let activity = open(&folder.path().join("activity"), activity_rows::LAYOUT);
    let mut rows = Rows::new();
    rows_of(&control, &mut rows);
    rows_of(&activity, &mut rows);
    for log in [agents::agents_log(), end_users::end_users_log()] {
        let folder = tempfile::tempdir().unwrap();
        block_on(rebuild_control(&log, None, folder.path())).unwrap();
        let mut others = Rows::new();
        rows_of(&open(&folder.path().join("control"), control_rows::LAYOUT), &mut others);
        for (table, found) in others {
            rows.entry(table).or_insert(found);
        }
    }
    let (key, value) = summary();
    rows.insert(SUMMARIES.id, format!("{key} {value}\n"));
    rows
}

fn tables() -> BTreeSet<(u8, u16)> {
    let layouts = [control_rows::LAYOUT, activity_rows::LAYOUT, lease_books::LAYOUT];
    layouts.iter().flat_map(|layout| layout.tables).copied().filter(|(id, _)| *id != META_TABLE).collect()
}

/// The name and the schema of each golden file, and what it must hold.
fn golden_files() -> Vec<(String, u16, String)> {
    let mut rows = samples_of_rows();
    let lease = lease_rows(&mut rows);
    let sample = |(id, schema)| {
        let found = rows.remove(&id).unwrap_or_else(|| panic!("no sample of table {id}"));
        (format!("{id:02}"), schema, found)
    };
    let mut files: Vec<_> = tables().into_iter().map(sample).collect();
    let [control, activity] = checkpoints();
    let checkpoints = [("00-control", control), ("00-activity", activity), ("00-lease", lease)];
    files.extend(checkpoints.map(|(name, rows)| (name.to_owned(), 1, rows)));
    files
}

fn path_of(name: &str, schema: u16) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("golden/rows").join(format!("{name}.{schema}.txt"))
}

#[test]
fn rows_of_every_table_have_the_bytes_of_their_schema() {
    for (name, schema, found) in golden_files() {
        let path = path_of(&name, schema);
        if !path.exists() {
            std::fs::write(&path, &found).unwrap();
            panic!("{} was missing and is written now: read it, and run this test again", path.display());
        }
        let expected = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        assert_eq!(
            found,
            expected,
            "the rows of table {name} are laid out anew: give it the schema {}, remove its golden file, and run this test \
             twice",
            schema + 1
        );
    }
}

#[test]
fn every_table_has_a_number_of_its_own() {
    let layouts = [control_rows::LAYOUT, activity_rows::LAYOUT, lease_books::LAYOUT];
    let of_tables: Vec<u8> = layouts.iter().flat_map(|layout| layout.tables).map(|(id, _)| *id).collect();
    let distinct: BTreeSet<u8> = of_tables.iter().copied().filter(|id| *id != META_TABLE).collect();
    assert_eq!(distinct.len(), of_tables.iter().filter(|id| **id != META_TABLE).count());
}
