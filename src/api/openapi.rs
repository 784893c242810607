//! `GET /api/v1/openapi.json` and `/api/v1/docs`: the API described by its own handlers, and a page that shows it without
//! anything from elsewhere.

use std::collections::BTreeMap;

use axum::Json;
use axum::http::header;
use axum::response::{Html, IntoResponse};
use utoipa::openapi::security::{ApiKey, ApiKeyValue, HttpAuthScheme, HttpBuilder, SecurityScheme};
use utoipa::openapi::{ContentBuilder, Ref, RefOr, Response, ResponseBuilder};
use utoipa::{IntoResponses, Modify, OpenApi};

use super::problem::Problem;
use super::schema::{HistoryLine, ProblemDocument};
use super::{
    algorithms, archive, assets, compute, events, exec, health, initialize, jobs, log, mock, outputs, quotes,
    sign_in, upload, verdicts,
};

#[derive(OpenApi)]
#[openapi(
    info(
        title = "Brizo",
        description = "Compute-to-data: run WebAssembly algorithms over data that does not leave, and prove what was run. \
                       docs/API.md says more about each endpoint.",
        license(name = "Apache-2.0", identifier = "Apache-2.0"),
    ),
    paths(
        initialize::initialize, upload::upload, exec::exec, exec::create,
        assets::list, assets::ddo, mock::mock,
        algorithms::received, algorithms::put, algorithms::patch,
        jobs::agreement, jobs::list, jobs::status, jobs::stop, jobs::delete, jobs::history, jobs::receipt,
        events::events, events::logs, outputs::stream, outputs::list, outputs::download, archive::archive,
        verdicts::submit,
        compute::start, compute::status, compute::stop, compute::delete, compute::result, compute::log,
        quotes::quote, quotes::environments, quotes::initialize_compute,
        sign_in::nonce, sign_in::sign_in, sign_in::sign_out,
        log::checkpoint, log::key, log::tile,
        health::environments, health::healthz, health::readyz, health::about,
        openapi, docs,
    ),
    components(schemas(ProblemDocument, HistoryLine)),
    modifiers(&Schemes),
)]
struct Api;

/// How a caller proves who they are.
struct Schemes;

impl Modify for Schemes {
    fn modify(&self, api: &mut utoipa::openapi::OpenApi) {
        let components = api.components.get_or_insert_default();
        let signed = ApiKeyValue::with_description(
            "Authorization",
            "`Brizo address=…,nonce=…,expiry=…,signature=…`: EIP-712 over method, path, body, provider, nonce and expiry",
        );
        components.add_security_scheme("signed", SecurityScheme::ApiKey(ApiKey::Header(signed)));
        let bearer = HttpBuilder::new()
            .scheme(HttpAuthScheme::Bearer)
            .description(Some("The token of a sign-in with EIP-4361"))
            .build();
        components.add_security_scheme("signedIn", SecurityScheme::Http(bearer));
    }
}

/// Every endpoint may answer with a problem; which ones is told by their codes, in docs/API.md.
impl IntoResponses for Problem {
    fn responses() -> BTreeMap<String, RefOr<Response>> {
        let content = ContentBuilder::new().schema(Some(Ref::from_schema_name("ProblemDocument"))).build();
        let response = ResponseBuilder::new()
            .description("What happened, whose fault it is, and how to mend it")
            .content("application/problem+json", content)
            .build();
        BTreeMap::from([("default".to_string(), response.into())])
    }
}

/// The description.
pub(super) fn document() -> utoipa::openapi::OpenApi {
    Api::openapi()
}

/// This description.
#[utoipa::path(get, path = "/api/v1/openapi.json", tag = "about", responses((status = 200, body = Object), Problem))]
pub(super) async fn openapi() -> impl IntoResponse {
    Json(document())
}

/// This description as a page.
#[utoipa::path(get, path = "/api/v1/docs", tag = "about",
    responses((status = 200, body = String, content_type = "text/html"), Problem))]
pub(super) async fn docs() -> impl IntoResponse {
    // The page asks this server for the description and nobody for anything else.
    let policy =
        "default-src 'none'; connect-src 'self'; script-src 'unsafe-inline'; style-src 'unsafe-inline'";
    ([(header::CONTENT_SECURITY_POLICY, policy)], Html(include_str!("docs.html")))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Method and path of each route in the table, and of each operation in the description.
    fn routes() -> Vec<String> {
        let table = include_str!("router.rs");
        let mut found = Vec::new();
        for piece in table.split(".route(").skip(1) {
            let path = piece.split('"').nth(1).unwrap();
            if path.starts_with("/api/v1/brizo") {
                // One handler under three names is described under one.
                continue;
            }
            let piece = if path == "/api/services/compute" { OLD } else { piece };
            let rest: String =
                piece.split(';').next().unwrap().chars().filter(|c| !c.is_whitespace()).collect();
            for method in ["get", "put", "post", "delete", "patch"] {
                if rest.contains(&format!(",{method}(")) || rest.contains(&format!(").{method}(")) {
                    let base =
                        if path.starts_with("/api") || path.starts_with("/log") || PLAIN.contains(&path) {
                            ""
                        } else {
                            "/api/v1/brizo/services/computing"
                        };
                    found.push(format!("{method} {base}{}", path.replace("{*path}", "{path}")));
                }
            }
        }
        found.sort();
        found
    }

    const PLAIN: [&str; 4] = ["/", "/healthz", "/readyz", "/metrics"];

    const OLD: &str = ", post(start).put(stop).get(status).delete(delete)";

    #[test]
    fn every_route_is_described_and_nothing_else() {
        let description = serde_json::to_value(document()).unwrap();
        let mut described: Vec<_> = description["paths"]
            .as_object()
            .unwrap()
            .iter()
            .flat_map(|(path, item)| {
                item.as_object().unwrap().keys().map(move |method| format!("{method} {path}"))
            })
            .collect();
        described.sort();
        assert_eq!(routes(), described);
    }

    #[test]
    fn the_description_is_the_published_one() {
        let text = serde_json::to_string_pretty(&document()).unwrap() + "\n";
        let published = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/openapi.json");
        let made = concat!(env!("CARGO_MANIFEST_DIR"), "/target/openapi.json");
        std::fs::create_dir_all(concat!(env!("CARGO_MANIFEST_DIR"), "/target")).unwrap();
        std::fs::write(made, &text).unwrap();
        let found = std::fs::read_to_string(published).unwrap_or_default();
        assert!(
            found == text,
            "the API has changed: look at the difference, then copy {made} over {published}"
        );
    }
}
