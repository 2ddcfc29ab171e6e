//! The routes of generated content: the model and what is done with it stand in the path, and the key may stand in the query.

use axum::body::Body;
use axum::extract::{Path, State};
use axum::response::{IntoResponse as _, Response};
use http::{HeaderMap, HeaderName, HeaderValue, Uri};
use tallygate_adapters::dialect::wire::PathSays;
use tallygate_adapters::provider::doors::{EMBEDDING_METHODS, GENERATE};

use super::App;
use super::counts;
use super::error::ApiError;
use super::error_code::ErrorCode;
use super::inference;

const KEY_HEADER: HeaderName = HeaderName::from_static("x-goog-api-key");

/// `POST /v1beta/models/{model}:{method}`. A model's name may hold slashes.
pub(super) async fn call(
    State(app): State<App>,
    Path(rest): Path<String>,
    uri: Uri,
    mut headers: HeaderMap,
    body: Body,
) -> Result<Response, ApiError> {
    let query = uri.query().unwrap_or_default();
    take_key(query, &mut headers);
    let (model, method) = rest.rsplit_once(':').unwrap_or((&rest, ""));
    if let Some((_, asks)) = EMBEDDING_METHODS.iter().find(|(name, _)| *name == method) {
        let path = PathSays { model: Some(model), streams: None };
        return Ok(inference::serve(&app, *asks, &path, &headers, body).await.into_response());
    }
    let streams = match method {
        "generateContent" => false,
        "streamGenerateContent" if parameter(query, "alt") == Some("sse") => true,
        "streamGenerateContent" => {
            let message = "streams are served as events only: add `alt=sse` to the query";
            return Err(ApiError::new(ErrorCode::ParameterUnsupported, message).param("alt").of_asker(GENERATE));
        }
        "countTokens" => return Ok(counts::of_contents(&app, model, &headers, body).await),
        _ => {
            let message = format!(
                "there is no method `{method}`: there are generateContent, streamGenerateContent, countTokens, embedContent and batchEmbedContents"
            );
            return Err(ApiError::new(ErrorCode::RouteUnknown, message).of_asker(GENERATE));
        }
    };
    let path = PathSays { model: Some(model), streams: Some(streams) };
    Ok(inference::serve(&app, GENERATE, &path, &headers, body).await.into_response())
}

/// A key in the query stands for one in a header, if there is none.
fn take_key(query: &str, headers: &mut HeaderMap) {
    let is_told = headers.contains_key(&KEY_HEADER) || headers.contains_key(http::header::AUTHORIZATION);
    let key = parameter(query, "key").filter(|_| !is_told);
    if let Some(mut value) = key.and_then(|key| HeaderValue::from_str(key).ok()) {
        value.set_sensitive(true);
        headers.insert(KEY_HEADER, value);
    }
}

fn parameter<'q>(query: &'q str, name: &str) -> Option<&'q str> {
    query.split('&').filter_map(|pair| pair.split_once('=')).find(|(key, _)| *key == name).map(|(_, value)| value)
}

#[cfg(test)]
mod tests {
    use http::HeaderMap;

    use super::{KEY_HEADER, parameter, take_key};

    #[test]
    fn a_key_in_the_query_counts_where_no_header_has_one() {
        let mut headers = HeaderMap::new();
        take_key("alt=sse&key=sk-1", &mut headers);
        assert_eq!(headers[KEY_HEADER], "sk-1");
        take_key("key=sk-2", &mut headers);
        assert_eq!(headers[KEY_HEADER], "sk-1");
        assert_eq!(parameter("alt=sse&key=sk-1", "alt"), Some("sse"));
        assert_eq!(parameter("", "alt"), None);
    }
}
