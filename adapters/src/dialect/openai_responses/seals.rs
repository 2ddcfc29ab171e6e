//! Seals of other dialects in the one opaque value that items of reasoning have here. Clients keep it and send it back, so
//! that no gateway must remember it.

use tallygate_core::conversation::{Seal, SealForm};

/// What a value begins with that stands for a seal of another dialect.
const PACKED: &str = "tg1:";

/// The opaque value for a seal.
pub(super) fn pack(seal: &Seal) -> String {
    let form = match seal.form {
        SealForm::Ciphertext => return seal.data.as_str().to_owned(),
        SealForm::Signature => "signature",
        SealForm::Redacted => "redacted",
        SealForm::Mark => "mark",
    };
    format!("{PACKED}{form}:{}", seal.data.as_str())
}

/// The seal that an opaque value is.
pub(super) fn unpack(value: &str) -> Seal {
    let packed = value.strip_prefix(PACKED).and_then(|packed| packed.split_once(':'));
    let form = packed.and_then(|(form, _)| match form {
        "signature" => Some(SealForm::Signature),
        "redacted" => Some(SealForm::Redacted),
        "mark" => Some(SealForm::Mark),
        _ => None,
    });
    match (form, packed) {
        (Some(form), Some((_, data))) => Seal { form, data: data.into() },
        _ => Seal { form: SealForm::Ciphertext, data: value.into() },
    }
}

#[cfg(test)]
mod tests {
    use super::{pack, unpack};
    use tallygate_core::conversation::{Seal, SealForm};

    #[test]
    fn every_seal_comes_back_as_it_was() {
        for form in [SealForm::Signature, SealForm::Redacted, SealForm::Mark, SealForm::Ciphertext] {
            let seal = Seal { form, data: "a:b+/=".into() };
            assert_eq!(unpack(&pack(&seal)), seal);
        }
        assert_eq!(unpack("tg1:unknown:x").form, SealForm::Ciphertext);
    }
}
