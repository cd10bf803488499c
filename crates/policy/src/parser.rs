use std::ops::Range;

use strongroom_model::Permission;

use crate::ast::{
    Action, Admit, Allow, Condition, Define, DefineKind, Endorse, GroupName, Location,
    QualifiedName, ResourceName, Scope, Spanned, Statement, Subject, Tenancy, With,
};
use crate::error::ParseError;
use crate::lexer::{Placed, Scanner, Token};
use crate::resource_type::{ResourceType, Verb};

/// Parses one statement. Keywords are compared without case.
///
/// # Errors
/// A [`ParseError`] with the place.
pub fn parse(text: &str) -> Result<Statement, ParseError> {
    let mut parser = Parser { scanner: Scanner::new(text, None)? };
    let statement = parser.statement()?;
    parser.end(&["the end of the statement"])?;
    Ok(statement)
}

/// The first words of statements.
const STATEMENTS: [&str; 5] = ["allow", "deny", "define", "endorse", "admit"];

/// The first words of subjects.
const SUBJECTS: [&str; 6] =
    ["group", "any-user", "any-group", "dynamic-group", "service", "resource"];

/// Reads by recursive descent; conditions are in a file of their own.
pub(crate) struct Parser<'a> {
    pub(crate) scanner: Scanner<'a>,
}

impl<'a> Parser<'a> {
    pub(crate) fn peek(&self) -> Result<Placed<'a>, ParseError> {
        self.scanner.peek()
    }

    /// Takes the next token if it is this one.
    pub(crate) fn took(&mut self, token: &Token<'_>) -> Result<bool, ParseError> {
        if self.peek()?.token != *token {
            return Ok(false);
        }
        self.scanner.take().map(|_placed| true)
    }

    /// Tells whether the next token is the keyword.
    pub(crate) fn sees(&self, keyword: &str) -> Result<bool, ParseError> {
        let next = self.peek()?.token;
        Ok(matches!(next, Token::Word(word) if word.eq_ignore_ascii_case(keyword)))
    }

    /// Takes the next token if it is the keyword.
    pub(crate) fn keyword(&mut self, keyword: &str) -> Result<bool, ParseError> {
        let seen = self.sees(keyword)?;
        if seen {
            self.scanner.take()?;
        }
        Ok(seen)
    }

    /// The error that the next token makes.
    pub(crate) fn unexpected(&self, expected: &[&'static str]) -> ParseError {
        let Placed { token, span } = match self.peek() {
            Ok(placed) => placed,
            Err(error) => return error,
        };
        let error = |message: &str| ParseError::syntax(span.clone(), message, expected);
        match token {
            Token::End => error("the statement ends too early"),
            Token::Word(word) => {
                error(&format!("unexpected word `{word}`")).suggest(word, expected.iter().copied())
            }
            Token::Quoted(_) => error("unexpected quoted text"),
            Token::Other('"') => {
                ParseError { suggestion: Some("'"), ..error("unexpected character `\"`") }
            }
            Token::Other(other) => {
                error(&format!("unexpected character `{}`", other.escape_debug()))
            }
            Token::Comma => error("unexpected `,`"),
            Token::Colon => error("unexpected `:`"),
            Token::Slash => error("unexpected `/`"),
            Token::Open => error("unexpected `{`"),
            Token::Close => error("unexpected `}`"),
            Token::ParenOpen => error("unexpected `(`"),
            Token::ParenClose => error("unexpected `)`"),
            Token::Equals => error("unexpected `=`"),
            Token::Bang => error("unexpected `!`"),
        }
    }

    pub(crate) fn expect(&mut self, keyword: &'static str) -> Result<(), ParseError> {
        if self.keyword(keyword)? { Ok(()) } else { Err(self.unexpected(&[keyword])) }
    }

    pub(crate) fn expect_token(
        &mut self,
        token: &Token<'_>,
        shown: &'static str,
    ) -> Result<(), ParseError> {
        if self.took(token)? { Ok(()) } else { Err(self.unexpected(&[shown])) }
    }

    /// Nothing may follow.
    pub(crate) fn end(&self, expected: &[&'static str]) -> Result<(), ParseError> {
        match self.peek()?.token {
            Token::End => Ok(()),
            _ => Err(self.unexpected(expected)),
        }
    }

    /// Runs a rule and notes where what it read stands.
    pub(crate) fn placed<T>(
        &mut self,
        rule: impl FnOnce(&mut Self) -> Result<T, ParseError>,
    ) -> Result<Spanned<T>, ParseError> {
        let start = self.peek()?.span.start;
        let value = rule(self)?;
        Ok(Spanned { value, span: start..self.scanner.end.max(start) })
    }

    fn statement(&mut self) -> Result<Statement, ParseError> {
        if self.keyword("define")? {
            return self.define().map(Statement::Define);
        }
        let denies = self.keyword("deny")?;
        if self.keyword("admit")? {
            return self.admit(denies).map(Statement::Admit);
        }
        if self.keyword("endorse")? {
            return self.endorse(denies).map(Statement::Endorse);
        }
        if denies || !self.keyword("allow")? {
            let Placed { token, .. } = self.peek()?;
            let known = |word: &str| SUBJECTS.iter().any(|one| one.eq_ignore_ascii_case(word));
            if !matches!(token, Token::Word(word) if known(word)) {
                let expected: &[&str] = if denies { &SUBJECTS } else { &STATEMENTS };
                return Err(self.unexpected(expected));
            }
        }
        self.allow(denies).map(Statement::Allow)
    }

    fn allow(&mut self, denies: bool) -> Result<Allow, ParseError> {
        let subject = self.placed(Self::subject)?;
        let action = self.placed(|parser| parser.action(false))?;
        self.expect("in")?;
        let location = self.placed(Self::location)?;
        let condition = self.condition_if_any(&["where", "the end of the statement"])?;
        Ok(Allow { denies, subject, action, location, condition })
    }

    fn admit(&mut self, denies: bool) -> Result<Admit, ParseError> {
        let subject = self.placed(Self::subject)?;
        let tenancy = if self.keyword("of")? {
            let named = !matches!(subject.value, Subject::AnyUser | Subject::AnyGroup);
            Some(self.placed(|parser| parser.admitted(named))?)
        } else {
            None
        };
        let action = self.placed(|parser| parser.action(true))?;
        self.expect("in")?;
        let location = self.placed(Self::location)?;
        let with = self.with_if_any()?;
        let condition = self.condition_if_any(&["with", "where", "the end of the statement"])?;
        Ok(Admit { denies, subject, tenancy, action, location, with, condition })
    }

    /// Whom an `admit` statement lets in: all tenancies only for all of their principals.
    fn admitted(&mut self, named: bool) -> Result<Tenancy, ParseError> {
        if !named && self.keyword("any-tenancy")? {
            return Ok(Tenancy::Any);
        }
        if !self.keyword("tenancy")? {
            let expected: &[&str] = if named { &["tenancy"] } else { &["tenancy", "any-tenancy"] };
            return Err(self.unexpected(expected));
        }
        self.name("the name of a tenancy").map(Tenancy::Named)
    }

    fn endorse(&mut self, denies: bool) -> Result<Endorse, ParseError> {
        let subject = self.placed(Self::subject)?;
        let action = self.placed(|parser| parser.action(true))?;
        self.expect("in")?;
        let scope = self.placed(Self::scope)?;
        let with = self.with_if_any()?;
        let condition = self.condition_if_any(&["with", "where", "the end of the statement"])?;
        Ok(Endorse { denies, subject, action, scope, with, condition })
    }

    fn with_if_any(&mut self) -> Result<Option<With>, ParseError> {
        if !self.keyword("with")? {
            return Ok(None);
        }
        let resource_type = self.placed(Self::resource_type)?;
        self.expect("in")?;
        Ok(Some(With { resource_type, scope: self.placed(Self::scope)? }))
    }

    fn condition_if_any(
        &mut self,
        expected: &[&'static str],
    ) -> Result<Option<Spanned<Condition>>, ParseError> {
        if !self.keyword("where")? {
            return self.end(expected).map(|()| None);
        }
        let condition = self.placed(Self::condition)?;
        for (word, meant) in [("and", "all {…, …}"), ("or", "any {…, …}")] {
            if self.sees(word)? {
                let error = self.unexpected(&["the end of the statement"]);
                return Err(ParseError { suggestion: Some(meant), ..error });
            }
        }
        Ok(Some(condition))
    }

    fn define(&mut self) -> Result<Define, ParseError> {
        let kind = self.placed(|parser| {
            for (word, kind) in [
                ("tenancy", DefineKind::Tenancy),
                ("group", DefineKind::Group),
                ("dynamic-group", DefineKind::DynamicGroup),
                ("compartment", DefineKind::Compartment),
            ] {
                if parser.keyword(word)? {
                    return Ok(kind);
                }
            }
            Err(parser.unexpected(&["tenancy", "group", "dynamic-group", "compartment"]))
        })?;
        let name = self.placed(|parser| parser.qualified_name("a name"))?;
        self.expect("as")?;
        self.keyword("id")?;
        let id = self.placed(Self::ocid)?;
        Ok(Define { kind, name, id })
    }

    fn subject(&mut self) -> Result<Subject, ParseError> {
        if self.keyword("any-user")? {
            return Ok(Subject::AnyUser);
        }
        if self.keyword("any-group")? {
            return Ok(Subject::AnyGroup);
        }
        if self.keyword("group")? {
            return self.groups().map(Subject::Groups);
        }
        if self.keyword("dynamic-group")? {
            return self.groups().map(Subject::DynamicGroups);
        }
        if self.keyword("service")? {
            return self
                .listed(|parser| parser.name("the name of a service"))
                .map(Subject::Services);
        }
        if self.keyword("resource")? {
            return self.resources().map(Subject::Resources);
        }
        Err(self.unexpected(&SUBJECTS))
    }

    fn listed<T>(
        &mut self,
        mut rule: impl FnMut(&mut Self) -> Result<T, ParseError>,
    ) -> Result<Vec<Spanned<T>>, ParseError> {
        let mut list = vec![self.placed(&mut rule)?];
        while self.took(&Token::Comma)? {
            list.push(self.placed(&mut rule)?);
        }
        Ok(list)
    }

    fn groups(&mut self) -> Result<Vec<Spanned<GroupName>>, ParseError> {
        let mut by_id = false;
        self.listed(|parser| {
            let group = parser.group(by_id)?;
            by_id = matches!(group, GroupName::Id(_));
            Ok(group)
        })
    }

    /// `resource <service> <type> {<type>}`; what follows is `of`, `to` or a permission set.
    fn resources(&mut self) -> Result<Vec<Spanned<String>>, ParseError> {
        let mut names = vec![self.placed(|parser| parser.name("the name of a service"))?];
        names.push(self.placed(|parser| parser.name("a type of resource"))?);
        while !self.sees("to")? && !self.sees("of")? && self.peek()?.token != Token::Open {
            names.push(self.placed(|parser| parser.name("a type of resource"))?);
        }
        Ok(names)
    }

    /// Takes the word `id` if an identifier is meant to follow it; a name may be `id` too, and then
    /// the grammar goes on with punctuation or with the keyword `next`.
    fn id(&mut self, next: &str) -> Result<bool, ParseError> {
        if !self.sees("id")? {
            return Ok(false);
        }
        let mut ahead = self.scanner.clone();
        ahead.take()?;
        let identifier = match ahead.peek()?.token {
            Token::Word(word) => !word.eq_ignore_ascii_case(next),
            Token::Quoted(_) => true,
            _ => false,
        };
        if identifier {
            self.scanner = ahead;
        }
        Ok(identifier)
    }

    /// A group; after one that was named by OCID the word `id` may be left out.
    fn group(&mut self, by_id: bool) -> Result<GroupName, ParseError> {
        if self.id("to")? {
            return self.ocid().map(GroupName::Id);
        }
        if by_id && matches!(self.peek()?.token, Token::Word(word) if word.starts_with("ocid1.")) {
            return self.ocid().map(GroupName::Id);
        }
        self.qualified_name("a group name").map(GroupName::Named)
    }

    fn qualified_name(&mut self, what: &'static str) -> Result<QualifiedName, ParseError> {
        let first = self.name(what)?;
        if !self.took(&Token::Slash)? {
            return Ok(QualifiedName { domain: None, name: first });
        }
        Ok(QualifiedName { domain: Some(first), name: self.name(what)? })
    }

    fn name(&mut self, what: &'static str) -> Result<String, ParseError> {
        match self.peek()?.token {
            Token::Word(name) => self.scanner.take().map(|_placed| name.to_owned()),
            Token::Quoted(name) if !name.trim().is_empty() => {
                self.scanner.take().map(|_placed| name.to_owned())
            }
            _ => Err(self.unexpected(&[what])),
        }
    }

    /// An OCID as it was written: documentation shortens them, and what it names is looked up later.
    pub(crate) fn ocid(&mut self) -> Result<String, ParseError> {
        let Placed { token, span } = self.peek()?;
        let (Token::Word(text) | Token::Quoted(text)) = token else {
            return Err(self.unexpected(&["an OCID"]));
        };
        if !text.starts_with("ocid") {
            return Err(ParseError::syntax(span, "not an OCID", &["an OCID"]));
        }
        self.scanner.take()?;
        Ok(text.to_owned())
    }

    fn action(&mut self, between_tenancies: bool) -> Result<Action, ParseError> {
        let to = self.keyword("to")?;
        if self.took(&Token::Open)? {
            return self.permissions();
        }
        if !to {
            return Err(self.unexpected(&["to"]));
        }
        if between_tenancies && self.keyword("associate")? {
            return self.resource_type().map(Action::Associate);
        }
        let verb = match self.peek()?.token {
            Token::Word(word) => {
                Verb::ALL.into_iter().find(|verb| verb.name().eq_ignore_ascii_case(word))
            }
            _ => None,
        };
        let Some(verb) = verb else {
            return Err(self.unexpected(&["inspect", "read", "use", "manage"]));
        };
        self.scanner.take()?;
        self.resource_type().map(|resource_type| Action::Verb(verb, resource_type))
    }

    pub(crate) fn resource_type(&mut self) -> Result<ResourceName, ParseError> {
        let Placed { token, span } = self.peek()?;
        let word = match token {
            Token::Word(word) if !word.eq_ignore_ascii_case("in") => word,
            _ => return Err(self.unexpected(&["a resource-type"])),
        };
        let name = if let Some(known) = ResourceType::named(word) {
            ResourceName::Known(known)
        } else {
            let known = ResourceType::ALL.iter().map(|known| known.name());
            refuse_misspelt(&span, "resource-type", word, known)?;
            ResourceName::Other(word.to_ascii_lowercase())
        };
        self.scanner.take()?;
        Ok(name)
    }

    /// `{A, B}` and a resource-type, if one follows; the opening brace was taken.
    fn permissions(&mut self) -> Result<Action, ParseError> {
        let mut permissions = Vec::new();
        loop {
            permissions.push(self.placed(Self::permission)?);
            if self.took(&Token::Comma)? {
                continue;
            }
            if !self.took(&Token::Close)? {
                return Err(self.unexpected(&[",", "}"]));
            }
            let narrows = matches!(self.peek()?.token, Token::Word(_)) && self.in_follows()?;
            let resource_type = narrows.then(|| self.resource_type()).transpose()?;
            return Ok(Action::Permissions(permissions, resource_type));
        }
    }

    /// Tells whether the token after the next one is `in`.
    fn in_follows(&self) -> Result<bool, ParseError> {
        let mut ahead = Self { scanner: self.scanner.clone() };
        ahead.scanner.take()?;
        ahead.sees("in")
    }

    fn permission(&mut self) -> Result<String, ParseError> {
        let Placed { token, span } = self.peek()?;
        let Token::Word(word) = token else {
            return Err(self.unexpected(&["a permission"]));
        };
        if Permission::named(word).is_none() {
            let known = Permission::ALL.iter().map(|known| known.name());
            refuse_misspelt(&span, "permission", word, known)?;
        }
        self.scanner.take()?;
        Ok(word.to_ascii_uppercase())
    }

    fn location(&mut self) -> Result<Location, ParseError> {
        if self.keyword("tenancy")? {
            return Ok(Location::Tenancy);
        }
        if self.keyword("compartment")? {
            return self.compartment();
        }
        Err(self.unexpected(&["tenancy", "compartment"]))
    }

    fn compartment(&mut self) -> Result<Location, ParseError> {
        if self.id("where")? {
            return self.ocid().map(Location::Id);
        }
        let mut path = vec![self.name("a compartment name")?];
        while self.took(&Token::Colon)? {
            path.push(self.name("a compartment name")?);
        }
        Ok(Location::Path(path))
    }

    fn scope(&mut self) -> Result<Scope, ParseError> {
        if self.keyword("any-tenancy")? {
            return Ok(Scope::AnyTenancy);
        }
        if self.keyword("tenancy")? {
            let goes_on = self.sees("with")? || self.sees("where")?;
            let named = matches!(self.peek()?.token, Token::Word(_) | Token::Quoted(_)) && !goes_on;
            let name = named.then(|| self.name("the name of a tenancy")).transpose()?;
            return Ok(Scope::Tenancy(name));
        }
        if !self.keyword("compartment")? {
            return Err(self.unexpected(&["any-tenancy", "tenancy", "compartment"]));
        }
        let location = self.compartment()?;
        if !self.keyword("of")? {
            return Ok(Scope::Compartment(location, None));
        }
        self.expect("tenancy")?;
        let name = self.name("the name of a tenancy")?;
        Ok(Scope::Compartment(location, Some(name)))
    }
}

/// A word of another service is fine; one that is nearly one of ours was misspelt.
fn refuse_misspelt(
    span: &Range<usize>,
    what: &str,
    word: &str,
    known: impl Iterator<Item = &'static str>,
) -> Result<(), ParseError> {
    let error = ParseError::syntax(span.clone(), format!("unknown {what} `{word}`"), &[]);
    let error = error.suggest(word, known);
    if error.suggestion.is_some() { Err(error) } else { Ok(()) }
}
