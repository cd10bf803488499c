use std::str::FromStr;

use strongroom_client::{ClientError, Exceptions, Proxies, Proxy};

use crate::environment::{Environment, Named};
use crate::failure::Failure;

/// Reads the proxies that the environment names.
pub(crate) fn proxies(environment: &Environment) -> Result<Proxies, Failure> {
    let proxy = |named: &Option<Named>| named.as_ref().map(parse::<Proxy>).transpose();
    Ok(Proxies {
        http: proxy(&environment.http_proxy)?,
        https: proxy(&environment.https_proxy)?,
        exceptions: match &environment.no_proxy {
            Some(named) => parse(named)?,
            None => Exceptions::default(),
        },
    })
}

fn parse<T: FromStr<Err = ClientError>>(named: &Named) -> Result<T, Failure> {
    let refused = |why: &str| {
        Failure::configuration("bad-proxy", format!("cannot use {}", named.name)).because(why)
    };
    let text = std::str::from_utf8(named.value.expose());
    let text = text.map_err(|_error| refused("it is not text"))?;
    text.parse().map_err(|error| match error {
        ClientError::Endpoint(why) => refused(why),
        error => refused(&error.to_string()),
    })
}
