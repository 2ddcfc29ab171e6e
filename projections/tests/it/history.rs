//! Histories: what a busy installation might have written, different for each seed and the same for the same.

use tallygate_core::command::{Command, Together};
use tallygate_core::grant::{GrantModel, WithdrawGrant};
use tallygate_core::id::RealmId;
use tallygate_core::key::{BlockKey, ReviseKey, RevokeKey, UnblockKey};
use tallygate_core::model_pattern::ModelPattern;
use tallygate_core::patch::Patch;
use tallygate_core::port::event_log::Batch;
use tallygate_core::realm::{RegisterRealm, ResumeRealm, SuspendRealm};
use tallygate_core::registry::{AddDeployment, RegisterModel, RemoveDeployment, RetireModel, RevisePrice};
use tallygate_core::scope::Scope;
use tallygate_core::selection::{ClearSelection, SelectModel, UndoSelection};
use tallygate_core::stream::StreamId;
use tallygate_core::testing::activity_writer::{ActivityWriter, Happened};
use tallygate_core::testing::control_writer::ControlWriter;
use tallygate_core::testing::samples::{self, id};

use crate::sample::{alias, budget, happened, key, key_id, realm, refused, rotate, settled};

const REALMS: [&str; 4] = ["default", "acme", "acme.eu", "b c"];

/// Numbers that follow from a seed: splitmix64.
pub struct Dice(u64);

impl Dice {
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    pub fn below(&mut self, end: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let value = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let value = (value ^ (value >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        (value ^ (value >> 31)) % end
    }

    fn realm(&mut self) -> &'static str {
        REALMS[usize::try_from(self.below(4)).unwrap()]
    }

    fn scope(&mut self) -> Scope {
        match self.below(3) {
            0 => Scope::Gateway,
            1 => Scope::Realm(id(self.realm())),
            _ => Scope::Key(key_id(self.below(20))),
        }
    }

    fn model(&mut self) -> (u128, String) {
        let number = self.below(6);
        (u128::from(number), format!("model-{}", number % 4))
    }
}

/// So many batches of a control log, most of one command, and the writer that wrote them.
pub fn control(seed: u64, count: usize) -> (Vec<Batch>, ControlWriter) {
    let (mut dice, mut writer) = (Dice::new(seed), ControlWriter::new());
    let mut batches: Vec<Batch> = REALMS
        .iter()
        .map(|name| {
            let parent = name.strip_suffix(".eu").map(id::<RealmId>);
            writer.command(RegisterRealm { parent, ..realm(name) })
        })
        .collect();
    while batches.len() < count {
        match dice.below(100) {
            0 => batches.push(writer.unknown_event(StreamId::key(key_id(dice.below(20))))),
            1 => {
                let together = (0..dice.below(30)).map(|_| command(&mut dice)).collect();
                batches.extend(writer.try_command(Together::new(together)).ok());
            }
            _ => batches.extend(writer.try_command(command(&mut dice)).ok()),
        }
    }
    (batches, writer)
}

fn command(dice: &mut Dice) -> Command {
    let number = dice.below(20);
    match dice.below(17) {
        0..4 => key(dice.realm(), number).into(),
        4 => ReviseKey { alias: Patch::Set(alias(dice.below(30))), ..ReviseKey::nothing(key_id(number)) }.into(),
        5 => rotate(number, dice.below(100)).into(),
        6 => BlockKey { key: key_id(number) }.into(),
        7 => UnblockKey { key: key_id(number) }.into(),
        8 => RevokeKey { key: key_id(number) }.into(),
        9 => budget(dice.scope(), i64::try_from(dice.below(1_000)).unwrap()).into(),
        10 => SelectModel { scope: dice.scope(), slot: id("current"), model: id(&dice.model().1) }.into(),
        11 => ClearSelection { scope: dice.scope(), slot: id("current") }.into(),
        12 => UndoSelection { scope: dice.scope(), slot: id("current") }.into(),
        13 | 14 => of_models(dice),
        _ => of_realms(dice),
    }
}

fn of_models(dice: &mut Dice) -> Command {
    let ((number, name), realm) = (dice.model(), id(dice.realm()));
    let (model, deployment) = (samples::model_id(number), id(&format!("{name}-{}", dice.below(3))));
    match dice.below(6) {
        0 | 1 => {
            let deployments = vec![samples::new_deployment(&format!("{name}-0"))];
            RegisterModel { realm, deployments, ..samples::register_model(number, &name) }.into()
        }
        2 => AddDeployment { model, deployment: samples::new_deployment(&format!("{name}-{}", dice.below(3))) }.into(),
        3 => RemoveDeployment { model, deployment }.into(),
        4 => RevisePrice { model, deployment, price: None }.into(),
        _ => RetireModel { model }.into(),
    }
}

fn of_realms(dice: &mut Dice) -> Command {
    let (realm, model) = (id(dice.realm()), ModelPattern::new(dice.model().1).unwrap());
    match dice.below(5) {
        0 => SuspendRealm { realm }.into(),
        1 | 2 => ResumeRealm { realm }.into(),
        3 => GrantModel { realm, model }.into(),
        _ => WithdrawGrant { realm, model }.into(),
    }
}

/// The batches of an activity log that two gateways wrote, and everything that is in them.
pub fn activity(seed: u64, batches: usize) -> (Vec<Batch>, Vec<Happened>) {
    let mut dice = Dice::new(seed);
    let mut writers = [ActivityWriter::new("gateway-1"), ActivityWriter::new("gateway-2")];
    let (mut written, mut all) = (Vec::new(), Vec::new());
    let mut number = 0;
    for _ in 0..batches {
        let lines: Vec<Happened> = (0..1 + dice.below(40))
            .map(|_| {
                number += 1;
                request(&mut dice, number)
            })
            .collect();
        let writer = &mut writers[usize::try_from(dice.below(2)).unwrap()];
        written.push(writer.batch(&lines));
        all.extend(lines);
    }
    (written, all)
}

fn request(dice: &mut Dice, number: u64) -> Happened {
    let key = dice.below(20);
    // A key belongs to one realm.
    let realm = REALMS[usize::try_from(key % 4).unwrap()];
    match dice.below(8) {
        0 => refused(Some(realm), Some(key), number, 1),
        1 => refused(None, None, number, 3),
        _ => happened(realm, settled(realm, key, number)),
    }
}
