use strongroom_model::Operation;

use crate::query::percent_decode;

/// A method of HTTP that OCI's API uses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Method {
    /// GET.
    Get,
    /// POST.
    Post,
    /// PUT.
    Put,
}

impl Method {
    fn named(name: &str) -> Option<Self> {
        match name {
            "GET" => Some(Self::Get),
            "POST" => Some(Self::Post),
            "PUT" => Some(Self::Put),
            _ => None,
        }
    }
}

/// A request's operation, with the path's parameters decoded, in the order of the template.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Matched {
    /// The operation.
    pub operation: Operation,
    /// Values of the template's `{…}` segments.
    pub parameters: Vec<String>,
}

/// Why no operation answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NoRoute {
    /// No template has this path.
    Path,
    /// A template has this path, for another method.
    Method,
}

/// Returns the method and path template of an operation.
///
/// Source: OCI API reference of the service.
#[must_use]
pub const fn template(operation: Operation) -> (Method, &'static str) {
    use Method::{Get, Post, Put};
    match operation {
        Operation::CreateVault => (Post, "/20180608/vaults"),
        Operation::GetVault => (Get, "/20180608/vaults/{vaultId}"),
        Operation::ListVaults => (Get, "/20180608/vaults"),
        Operation::CreateKey => (Post, "/20180608/keys"),
        Operation::GetKey => (Get, "/20180608/keys/{keyId}"),
        Operation::ListKeys => (Get, "/20180608/keys"),
        Operation::ListKeyVersions => (Get, "/20180608/keys/{keyId}/keyVersions"),
        Operation::CreateSecret => (Post, "/20180608/secrets"),
        Operation::GetSecret => (Get, "/20180608/secrets/{secretId}"),
        Operation::ListSecrets => (Get, "/20180608/secrets"),
        Operation::UpdateSecret => (Put, "/20180608/secrets/{secretId}"),
        Operation::ListSecretVersions => (Get, "/20180608/secrets/{secretId}/versions"),
        Operation::GetSecretVersion => {
            (Get, "/20180608/secrets/{secretId}/version/{secretVersionNumber}")
        }
        Operation::GetSecretBundle => (Get, "/20190301/secretbundles/{secretId}"),
        Operation::GetSecretBundleByName => (Post, "/20190301/secretbundles/actions/getByName"),
        Operation::ListSecretBundleVersions => (Get, "/20190301/secretbundles/{secretId}/versions"),
        Operation::ListCompartments => (Get, "/20160918/compartments"),
        Operation::GetCompartment => (Get, "/20160918/compartments/{compartmentId}"),
        Operation::CreateCompartment => (Post, "/20160918/compartments"),
        Operation::GetUser => (Get, "/20160918/users/{userId}"),
        Operation::ListRegionSubscriptions => {
            (Get, "/20160918/tenancies/{tenancyId}/regionSubscriptions")
        }
    }
}

/// Finds the operation of a request. Empty path segments are skipped: some clients double the first
/// slash.
///
/// # Errors
/// [`NoRoute`] tells an unknown path from an unknown method.
pub fn find(method: &str, path: &str) -> Result<Matched, NoRoute> {
    let asked = Method::named(method);
    let mut no_route = NoRoute::Path;
    for operation in Operation::ALL {
        let (method, template) = template(*operation);
        if !fits(template, path) {
            continue;
        }
        if asked == Some(method) {
            return match parameters(template, path) {
                Some(parameters) => Ok(Matched { operation: *operation, parameters }),
                None => Err(NoRoute::Path),
            };
        }
        no_route = NoRoute::Method;
    }
    Err(no_route)
}

fn segments(path: &str) -> impl Iterator<Item = &str> {
    path.split('/').filter(|segment| !segment.is_empty())
}

fn is_parameter(segment: &str) -> bool {
    segment.starts_with('{')
}

fn fits(template: &str, path: &str) -> bool {
    let mut given = segments(path);
    let mut wanted = segments(template);
    loop {
        match (wanted.next(), given.next()) {
            (None, None) => return true,
            (Some(wanted), Some(given)) if is_parameter(wanted) || wanted == given => {}
            _ => return false,
        }
    }
}

fn parameters(template: &str, path: &str) -> Option<Vec<String>> {
    segments(template)
        .zip(segments(path))
        .filter(|(wanted, _)| is_parameter(wanted))
        .map(|(_, given)| percent_decode(given, false))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_operation_is_found_by_its_template() {
        for operation in Operation::ALL {
            let (method, template) = template(*operation);
            let method = match method {
                Method::Get => "GET",
                Method::Post => "POST",
                Method::Put => "PUT",
            };
            assert_eq!(find(method, template).unwrap().operation, *operation);
            assert_eq!(find(method, &format!("/{template}")).unwrap().operation, *operation);
            assert_eq!(find("DELETE", template), Err(NoRoute::Method));
        }
    }

    #[test]
    fn parameters_are_decoded_and_paths_are_exact() {
        let found = find("GET", "/20180608/secrets/a%2Fb/version/7").unwrap();
        assert_eq!(found.parameters, ["a/b", "7"]);
        for path in ["/", "/20180608", "/20180608/secrets/x/versions/1", "/20180608/Secrets"] {
            assert_eq!(find("GET", path), Err(NoRoute::Path), "{path}");
        }
        assert_eq!(find("GET", "/20180608/secrets/%zz"), Err(NoRoute::Path));
    }
}
