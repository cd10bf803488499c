//! JSON to a URL of the configuration.

use bytes::Bytes;
use http_body_util::{BodyExt, Full, Limited};
use hyper::header::{AUTHORIZATION, CONTENT_TYPE, HeaderValue};
use hyper::{Request, Uri};

use crate::dialling::{HttpClient, client};
use crate::function::chain;

/// What is read of an answer.
const ANSWER_BYTES_MAX: usize = 64 * 1024;

/// A URL to which JSON is posted. Redirects are not followed.
pub struct Post {
    uri: Uri,
    authorization: Option<HeaderValue>,
    client: HttpClient,
}

impl std::fmt::Debug for Post {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Post").field("uri", &self.uri).finish_non_exhaustive()
    }
}

impl Post {
    /// Takes the URL, `https` unless it is this machine's, the token that is shown there, and the
    /// authorities of its certificate, PEM; the system's if absent.
    ///
    /// # Errors
    /// What is wrong with the URL, the token or the authorities.
    pub fn new(url: &str, token: Option<&[u8]>, ca: Option<&[u8]>) -> Result<Self, String> {
        let uri: Uri = url.parse().map_err(|_no_url| "it must be a URL".to_owned())?;
        let authority = uri.authority().filter(|authority| !authority.as_str().contains('@'));
        let host = authority.ok_or_else(|| "it must name a host, and no user".to_owned())?;
        match uri.scheme_str() {
            Some("https") => {}
            Some("http") if is_this_machine(host.host()) => {}
            _ => return Err("it must begin with https://, or http:// to this machine".to_owned()),
        }
        let bearer = |token: &[u8]| {
            let value = HeaderValue::from_bytes(&[b"Bearer ", token].concat());
            let mut value =
                value.map_err(|_error| "the token is not one line of text".to_owned())?;
            value.set_sensitive(true);
            Ok::<_, String>(value)
        };
        let authorization = token.map(bearer).transpose()?;
        let client = client(ca).map_err(|why| format!("ca_file: {why}"))?;
        Ok(Self { uri, authorization, client })
    }

    /// Posts JSON; only 2xx says that it was taken.
    pub(crate) async fn send(&self, json: String) -> Result<(), String> {
        let mut request = Request::post(&self.uri).header(CONTENT_TYPE, "application/json");
        if let Some(value) = &self.authorization {
            request = request.header(AUTHORIZATION, value);
        }
        let request = request.body(Full::new(Bytes::from(json)));
        let request = request.map_err(|error| error.to_string())?;
        let answer = self.client.request(request).await;
        let answer = answer.map_err(|error| format!("it cannot be reached: {}", chain(&error)))?;
        let status = answer.status();
        // Read, so that the connection can be used again.
        let _said = Limited::new(answer.into_body(), ANSWER_BYTES_MAX).collect().await;
        if status.is_success() { Ok(()) } else { Err(format!("it answers {}", status.as_u16())) }
    }
}

fn is_this_machine(host: &str) -> bool {
    let literal = host.trim_start_matches('[').trim_end_matches(']').parse::<std::net::IpAddr>();
    host == "localhost" || literal.is_ok_and(|address| address.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_is_spoken_to_over_tls_or_on_this_machine() {
        for url in [
            "https://siem.example/in",
            "http://127.0.0.1:1/",
            "http://[::1]:1/",
            "http://localhost/",
        ] {
            assert!(Post::new(url, None, None).is_ok(), "{url}");
        }
        for url in
            ["http://siem.example/", "http://10.0.0.1/", "ftp://x/", "https://u:p@x/", "/path", ""]
        {
            assert!(Post::new(url, None, None).is_err(), "{url}");
        }
        assert!(Post::new("https://x/", Some(b"two\nlines"), None).is_err());
        assert!(Post::new("https://x/", None, Some(b"no PEM")).is_err());
        let shown = format!("{:?}", Post::new("https://x/", Some(b"token"), None));
        assert!(!shown.contains("token"), "{shown}");
    }
}
