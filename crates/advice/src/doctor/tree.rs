//! The tree: which questions are asked, in which order, and of whom.

/// A part of the tree.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Branch {
    /// What lies on this machine.
    Machine,
    /// The way to the service.
    Way,
    /// Who asks: what a 401 is about.
    Identity,
    /// What is asked for: what a 404 is about.
    Secret,
    /// What the caller may: what a 403 is about, and a 404 too.
    Rights,
}

/// A question of the tree.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Check {
    /// Do flags, variables and the configuration file say one thing?
    Settings,
    /// Is the reference one?
    Reference,
    /// Is Oracle's configuration file right?
    Profile,
    /// Can the private key be used?
    Key,
    /// Is the fingerprint that of the key?
    Fingerprint,
    /// Is there a token, and does it last?
    Token,
    /// Does the machine's metadata service answer?
    Metadata,
    /// Does the machine's certificate hold?
    Certificate,
    /// Is it known where to call?
    Endpoint,
    /// Does a proxy lead to the service?
    Proxy,
    /// Does the host's name lead to an address?
    Name,
    /// Does the address take connections?
    Connection,
    /// Does the service answer over HTTP, and over TLS if it should?
    Answer,
    /// Do the clocks agree?
    Clock,
    /// Does the service know who asks?
    Caller,
    /// Is the secret there, as far as the caller may know?
    Secret,
    /// Can the secret be read in its state?
    State,
    /// Can the content be read?
    Content,
    /// Why was it refused, if the vault tells?
    Why,
    /// Is there such a version?
    Version,
    /// Is the secret among those that are listed?
    Listing,
    /// Which dynamic groups is the machine in?
    Groups,
    /// Is the vault active?
    Vault,
    /// Is the key enabled?
    KeyState,
    /// What follows from all answers?
    Conclusion,
}

/// When a question is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum When {
    /// Always.
    Always,
    /// When a private key is named by a profile.
    Profile,
    /// When an API key signs.
    ApiKey,
    /// When a token of a session or resource signs.
    Token,
    /// When a machine's certificate is exchanged for a token.
    Instance,
    /// When a secret is named.
    Secret,
    /// When its content was refused.
    Refused,
    /// When its content was refused to a machine.
    RefusedInstance,
}

/// What the questions depend on, beside one another.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Circumstances {
    /// What signs, once that is known.
    pub signer: Option<Signer>,
    /// Whether a secret is named.
    pub names_secret: bool,
    /// Whether its content was refused.
    pub is_refused: bool,
}

/// What signs requests.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Signer {
    /// An API key of a user.
    ApiKey,
    /// The token of a user's session.
    Session,
    /// A machine's certificate.
    Instance,
    /// The token of another resource.
    Resource,
}

/// A question with its place in the tree.
#[derive(Debug, Clone, Copy)]
pub struct Node {
    /// The question.
    pub check: Check,
    /// Its word.
    pub name: &'static str,
    /// Where it belongs.
    pub branch: Branch,
    /// When it is asked.
    pub when: When,
    /// What must not have failed before.
    pub after: &'static [Check],
}

const fn node(
    check: Check,
    name: &'static str,
    branch: Branch,
    when: When,
    after: &'static [Check],
) -> Node {
    Node { check, name, branch, when, after }
}

/// The tree, cheapest question first: what lies on this machine before the network, the network
/// before calls, calls that read nothing before the one that reads.
pub const TREE: &[Node] = {
    use Branch::{Identity, Machine, Rights, Secret, Way};
    use Check as C;
    const SIGNED: &[Check] = &[
        C::Profile,
        C::Key,
        C::Fingerprint,
        C::Token,
        C::Certificate,
        C::Endpoint,
        C::Name,
        C::Connection,
        C::Answer,
    ];
    &[
        node(C::Settings, "settings", Machine, When::Always, &[]),
        node(C::Reference, "reference", Machine, When::Secret, &[C::Settings]),
        node(C::Profile, "profile", Machine, When::Profile, &[C::Settings]),
        node(C::Key, "private key", Machine, When::Profile, &[C::Profile]),
        node(C::Fingerprint, "fingerprint", Machine, When::ApiKey, &[C::Key]),
        node(C::Token, "token", Machine, When::Token, &[C::Settings, C::Profile, C::Key]),
        node(C::Metadata, "metadata", Machine, When::Instance, &[C::Settings]),
        node(C::Certificate, "certificate", Machine, When::Instance, &[C::Metadata]),
        node(C::Endpoint, "endpoint", Way, When::Always, &[C::Settings]),
        node(C::Proxy, "proxy", Way, When::Always, &[C::Endpoint]),
        node(C::Name, "name", Way, When::Always, &[C::Endpoint, C::Proxy]),
        node(C::Connection, "connection", Way, When::Always, &[C::Name]),
        node(C::Answer, "answer", Way, When::Always, &[C::Connection]),
        node(C::Clock, "clock", Way, When::Always, &[C::Answer]),
        node(C::Caller, "caller", Identity, When::Always, SIGNED),
        node(C::Secret, "secret", Secret, When::Secret, &[C::Reference, C::Caller]),
        node(C::State, "state", Secret, When::Secret, &[C::Secret]),
        node(C::Content, "content", Secret, When::Secret, &[C::State]),
        node(C::Why, "why", Rights, When::Refused, &[C::Content]),
        node(C::Version, "version", Secret, When::Refused, &[C::Why]),
        node(C::Listing, "listing", Secret, When::Refused, &[C::Why, C::Version]),
        node(C::Groups, "dynamic groups", Rights, When::RefusedInstance, &[C::Why, C::Listing]),
        node(C::Vault, "vault", Rights, When::Refused, &[C::Why, C::Version]),
        node(C::KeyState, "key", Rights, When::Refused, &[C::Why, C::Version, C::Vault]),
        node(
            C::Conclusion,
            "conclusion",
            Rights,
            When::Refused,
            &[C::Why, C::Version, C::Listing, C::Groups, C::Vault, C::KeyState],
        ),
    ]
};

impl Branch {
    /// Returns its heading.
    #[must_use]
    pub const fn heading(self) -> &'static str {
        match self {
            Self::Machine => "this machine",
            Self::Way => "the way",
            Self::Identity => "who asks (401)",
            Self::Secret => "the secret (404)",
            Self::Rights => "the rights (403, 404)",
        }
    }
}

impl Check {
    /// Returns its place in the tree.
    #[must_use]
    pub fn node(self) -> Option<&'static Node> {
        TREE.iter().find(|node| node.check == self)
    }

    /// Returns its word.
    #[must_use]
    pub fn name(self) -> &'static str {
        self.node().map_or("", |node| node.name)
    }
}

impl When {
    /// Tells whether a question is asked as things are.
    #[must_use]
    pub fn holds(self, given: Circumstances) -> bool {
        let signer = given.signer;
        match self {
            Self::Always => true,
            Self::Profile => matches!(signer, Some(Signer::ApiKey | Signer::Session)),
            Self::ApiKey => signer == Some(Signer::ApiKey),
            Self::Token => matches!(signer, Some(Signer::Session | Signer::Resource)),
            Self::Instance => signer == Some(Signer::Instance),
            Self::Secret => given.names_secret,
            Self::Refused => given.is_refused,
            Self::RefusedInstance => {
                given.is_refused && matches!(signer, Some(Signer::Instance | Signer::Resource))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_question_stands_once_and_after_those_it_needs() {
        for (place, node) in TREE.iter().enumerate() {
            let before = &TREE[..place];
            assert!(before.iter().all(|other| other.check != node.check), "{}", node.name);
            for needed in node.after {
                assert!(before.iter().any(|other| other.check == *needed), "{}", node.name);
            }
            assert_eq!(node.check.name(), node.name);
        }
    }

    #[test]
    fn questions_are_asked_of_those_they_are_about() {
        let of = |signer| Circumstances { signer: Some(signer), ..Circumstances::default() };
        assert!(When::ApiKey.holds(of(Signer::ApiKey)) && !When::ApiKey.holds(of(Signer::Session)));
        assert!(
            When::Token.holds(of(Signer::Resource)) && !When::Token.holds(of(Signer::Instance))
        );
        assert!(!When::Refused.holds(of(Signer::ApiKey)));
        assert!(!When::Profile.holds(Circumstances::default()));
    }
}
