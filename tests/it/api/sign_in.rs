//! Signing in with a wallet: EIP-4361, a token, and its end.

use brizo_receipt::keccak256;
use serde_json::{Value, json};

use crate::guests::guest;
use crate::world::{Consumer, World, hex0x};

async fn post(url: &str, message: &str, signature: &str) -> (u16, Value) {
    let body = json!({ "message": message, "signature": signature }).to_string();
    let response = reqwest::Client::new().post(format!("{url}/api/v1/auth/sign-in")).body(body).send().await;
    let response = response.unwrap();
    (response.status().as_u16(), response.json().await.unwrap())
}

fn personal_sign(who: &Consumer, message: &str) -> String {
    let prefixed = format!("\x19Ethereum Signed Message:\n{}{message}", message.len());
    hex0x(&who.key.sign(keccak256(prefixed)).unwrap().0)
}

/// Seconds since 1970 as RFC 3339 has them.
fn rfc3339(seconds: u64) -> String {
    let (days, rest) = (seconds / 86_400, seconds % 86_400);
    // Howard Hinnant's algorithm, for years after 1970.
    let z = days + 719_468;
    let (era, day_of_era) = (z / 146_097, z % 146_097);
    let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let m = (5 * day_of_year + 2) / 153;
    let (day, month) = (day_of_year - (153 * m + 2) / 5 + 1, if m < 10 { m + 3 } else { m - 9 });
    let year = year_of_era + era * 400 + u64::from(month <= 2);
    format!("{year:04}-{month:02}-{day:02}T{:02}:{:02}:{:02}Z", rest / 3600, rest / 60 % 60, rest % 60)
}

/// What the message must name, from the provider.
async fn about(url: &str) -> Value {
    reqwest::get(format!("{url}/api/v1/auth/nonce")).await.unwrap().json().await.unwrap()
}

/// A message that signs `who` in, with what the provider said.
fn message(who: &Consumer, about: &Value) -> String {
    format!(
        "{} wants you to sign in with your Ethereum account:\n{}\n\nShow me my jobs.\n\nURI: {}/app\nVersion: 1\n\
         Chain ID: {}\nNonce: {}\nIssued At: {}",
        about["domain"].as_str().unwrap(),
        who.key.address(),
        about["uri"].as_str().unwrap(),
        about["chainId"],
        about["nonce"].as_str().unwrap(),
        rfc3339(brizo::clock::Clock::system().now_s()),
    )
}

/// Signs somebody in.
pub(super) async fn token(who: &Consumer) -> String {
    let text = message(who, &about(&who.url).await);
    let (status, answer) = post(&who.url, &text, &personal_sign(who, &text)).await;
    assert_eq!(status, 201, "{answer}");
    answer["token"].as_str().unwrap().to_string()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wallet_signs_in_looks_and_signs_out() {
    let world = World::start().await;
    let (owner, other) = (world.consumer(), world.stranger());
    let module = guest("column_stats");
    let id = owner.pay_for(&module).await;
    let job = owner.order(id, &module, &["--file", "penguins.csv"], 200_000_000).await;
    let url = &owner.url;
    let text = message(&owner, &about(url).await);

    // Signed by another, over another text, with a nonce of nobody, for another provider: no token.
    let mut invented = about(url).await;
    invented["nonce"] = json!("0123456789abcdef");
    let unknown_nonce = message(&owner, &invented);
    let elsewhere = text.replacen("127.0.0.1", "evil.example", 1);
    for (text, signature) in [
        (text.clone(), personal_sign(&other, &text)),
        (text.clone(), personal_sign(&owner, "something else")),
        (unknown_nonce.clone(), personal_sign(&owner, &unknown_nonce)),
        (elsewhere.clone(), personal_sign(&owner, &elsewhere)),
    ] {
        let (status, problem) = post(url, &text, &signature).await;
        assert_eq!((status, problem["code"].as_str()), (401, Some("bad_sign_in")), "{problem}");
    }

    let (status, signed_in) = post(url, &text, &personal_sign(&owner, &text)).await;
    assert_eq!(status, 201, "{signed_in}");
    let token = signed_in["token"].as_str().unwrap();
    let (again, _) = post(url, &text, &personal_sign(&owner, &text)).await;
    assert_eq!(again, 401, "a nonce counts once");

    let http = reqwest::Client::new();
    let get = async |path: String| {
        let request = http.get(format!("{url}{path}")).bearer_auth(token);
        request.send().await.unwrap()
    };
    let seen = get(format!("/api/v1/jobs/{job}")).await;
    assert_eq!(seen.status(), 200);
    assert_eq!(seen.json::<Value>().await.unwrap()["jobId"], job.to_string());
    assert_eq!(get("/api/v1/jobs".into()).await.status(), 200, "a token counts more than once");
    let out = http.delete(format!("{url}/api/v1/auth/sign-in")).bearer_auth(token).send().await.unwrap();
    assert_eq!(out.status(), 204);
    let gone = get(format!("/api/v1/jobs/{job}")).await;
    assert_eq!(
        (gone.status().as_u16(), gone.json::<Value>().await.unwrap()["code"].as_str()),
        (401, Some("token_unknown"))
    );
    assert!(!world.log().contains(token), "a token is in the log");
}
