//! Small values that several dialects write alike: places in a prompt up to which it is cached.

use tallygate_core::conversation::CachePoint;

use super::json::fields::Value;
use super::json::writer::Object;
use super::rejection::Rejection;

/// Reads `{"type":"ephemeral","ttl":"1h"}`.
///
/// # Errors
/// It is no object.
pub(super) fn cache_point(value: Value<'_, '_>) -> Result<CachePoint, Rejection> {
    let mut fields = value.fields()?;
    Ok(match fields.string("ttl")?.as_deref() {
        Some("1h") => CachePoint::OneHour,
        Some("5m") => CachePoint::FiveMinutes,
        _ => CachePoint::Default,
    })
}

/// Writes the same, under `cache_control`, if there is one.
pub(super) fn write_cache_point(object: &mut Object<'_>, cache: Option<CachePoint>) {
    let Some(cache) = cache else { return };
    object.object("cache_control", |object| {
        object.text("type", "ephemeral");
        match cache {
            CachePoint::Default => {}
            CachePoint::FiveMinutes => {
                object.text("ttl", "5m");
            }
            CachePoint::OneHour => {
                object.text("ttl", "1h");
            }
        }
    });
}
