//! Tags as requests had them, whether anybody registered them or not.

use tallygate_core::id::TagName;
use tallygate_projections::{Days, Named, Spent};

use crate::http::App;
use crate::http::error::ApiError;
use crate::http::litellm::caller::Caller;
use crate::http::litellm::spend::filter::Keys;
use crate::http::litellm::spent;

/// Hands over what was asked under each tag over some days, as far as the caller may know: in realms that they manage, and
/// elsewhere of keys that they may see.
///
/// # Errors
/// 503 if the views cannot be read.
pub(in crate::http::litellm) fn each(
    app: &App,
    caller: &Caller,
    days: Days,
    mut visit: impl FnMut(&Spent<Named<TagName>>),
) -> Result<(), ApiError> {
    let snapshot = app.pipeline.views.control.snapshot();
    let control = &snapshot.control;
    let mut keys = Keys::new(app);
    for (realm, _) in control.realms.iter() {
        let manages = caller.manages(control, realm);
        let seen = |spent: Spent<Named<TagName>>| {
            if manages || keys.find(spent.of.detail.key)?.is_some_and(|key| caller.may_see(control, key)) {
                visit(&spent);
            }
            Ok(())
        };
        let read = app.pipeline.views.activity.each_tag((realm, None), days, seen);
        read.map_err(|error| spent::unreadable(&error))?;
    }
    Ok(())
}
