//! A whole answer on its way to a client of the same dialect.

use bytes::Bytes;
use tallygate_core::port::provider::Failure;

use super::places::Retold;
use crate::dialect::meter::Meter;
use crate::dialect::metering::Metered;
use crate::dialect::wire::{Asked, Dialect};

/// A whole answer, read.
#[derive(Clone, PartialEq, Eq)]
pub struct Answered {
    /// For the client: the upstream's bytes, but for what is told otherwise.
    pub body: Bytes,
    /// What the call used.
    pub metered: Metered,
    /// The upstream's id of the answer.
    pub id: Option<String>,
    /// The model that answered, as the upstream names it.
    pub model: Option<String>,
}

impl std::fmt::Debug for Answered {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Answered({} bytes, {:?})", self.body.len(), self.metered)
    }
}

/// Reads a whole answer with a 2xx status. `asked` says what the client asked for; a public model in it replaces the
/// upstream's name of the model, and a sealer of it the upstream's ids.
///
/// # Errors
/// [`Failure`] where it is an error after all, or no answer.
pub fn answer(dialect: &dyn Dialect, body: &Bytes, asked: &Asked) -> Result<Answered, Failure> {
    let response = dialect.read_answer(body, &asked.id)?;
    let mut meter = Meter::default();
    meter.response(&response);
    let told = Retold { model: asked.public_model.as_deref(), sealer: asked.sealer.as_ref() };
    let retold = dialect.places().retold(body, &told);
    Ok(Answered {
        body: retold.map_or_else(|| body.clone(), Bytes::from),
        metered: meter.metered(asked.input_estimate_tokens),
        id: response.id,
        model: response.model,
    })
}
