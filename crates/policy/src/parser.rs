use std::ops::Range;

use strongroom_model::{Ocid, Permission, PermissionSet};

use crate::ast::{Action, GroupName, Location, Spanned, Statement, Subject};
use crate::error::ParseError;
use crate::lexer::{Placed, Token, tokens};
use crate::resource_type::{ResourceType, Verb};

/// Parses one statement. Keywords are compared without case.
///
/// # Errors
/// A [`ParseError`] with the place: of kind `Unsupported` for what this version does not evaluate.
pub fn parse(text: &str) -> Result<Statement, ParseError> {
    let tokens = tokens(text)?;
    let mut parser = Parser { tokens, at: 0 };
    parser.statement()
}

const SUBJECTS: [&str; 6] =
    ["group", "any-user", "any-group", "dynamic-group", "service", "resource"];

struct Parser<'a> {
    tokens: Vec<Placed<'a>>,
    at: usize,
}

impl<'a> Parser<'a> {
    fn peek(&self) -> (Token<'a>, Range<usize>) {
        let placed = self.tokens.get(self.at).or(self.tokens.last());
        placed.map_or((Token::End, 0..0), |placed| (placed.token.clone(), placed.span.clone()))
    }

    fn advance(&mut self) {
        self.at += 1;
    }

    /// Takes the next token if it is the keyword.
    fn keyword(&mut self, keyword: &str) -> Option<Range<usize>> {
        match self.peek() {
            (Token::Word(word), span) if word.eq_ignore_ascii_case(keyword) => {
                self.advance();
                Some(span)
            }
            _ => None,
        }
    }

    fn unexpected(&self, expected: &[&'static str]) -> ParseError {
        let (token, span) = self.peek();
        let error = |message: &str| ParseError::syntax(span.clone(), message, expected);
        match token {
            Token::End => error("the statement ends too early"),
            Token::Word(word) => {
                error(&format!("unexpected word `{word}`")).suggest(word, expected.iter().copied())
            }
            Token::Quoted(_) => error("unexpected quoted text"),
            Token::Comma | Token::Colon | Token::Slash | Token::Open | Token::Close => {
                error("unexpected punctuation")
            }
            Token::Other(_) => error("unexpected character"),
        }
    }

    fn expect(&mut self, keyword: &'static str) -> Result<(), ParseError> {
        match self.keyword(keyword) {
            Some(_) => Ok(()),
            None => Err(self.unexpected(&[keyword])),
        }
    }

    fn statement(&mut self) -> Result<Statement, ParseError> {
        for (keyword, what) in [
            ("deny", "a deny statement"),
            ("define", "a define statement"),
            ("endorse", "an endorse statement"),
            ("admit", "an admit statement"),
        ] {
            if let Some(span) = self.keyword(keyword) {
                return Err(ParseError::unsupported(span, what));
            }
        }
        if self.keyword("allow").is_none() {
            let (token, _) = self.peek();
            let subject =
                |word: &str| SUBJECTS.iter().any(|known| known.eq_ignore_ascii_case(word));
            if !matches!(token, Token::Word(word) if subject(word)) {
                return Err(self.unexpected(&["allow", "deny", "define", "endorse", "admit"]));
            }
        }
        let subject = self.placed(Self::subject)?;
        let action = self.placed(Self::action)?;
        if let Action::Permissions(_) = action.value {
            self.no_resource_type()?;
        }
        self.expect("in")?;
        let location = self.placed(Self::location)?;
        if let Some(span) = self.keyword("where") {
            return Err(ParseError::unsupported(span, "a condition"));
        }
        match self.peek() {
            (Token::End, _) => Ok(Statement { subject, action, location }),
            _ => Err(self.unexpected(&["where", "the end of the statement"])),
        }
    }

    /// Runs a rule and notes where what it read stands.
    fn placed<T>(
        &mut self,
        rule: impl FnOnce(&mut Self) -> Result<T, ParseError>,
    ) -> Result<Spanned<T>, ParseError> {
        let start = self.peek().1.start;
        let value = rule(self)?;
        let last = self.at.checked_sub(1).and_then(|last| self.tokens.get(last));
        let end = last.map_or(start, |placed| placed.span.end);
        Ok(Spanned { value, span: start..end })
    }

    fn subject(&mut self) -> Result<Subject, ParseError> {
        for (keyword, what) in [
            ("dynamic-group", "a dynamic group as subject"),
            ("service", "a service as subject"),
            ("resource", "a resource as subject"),
        ] {
            if let Some(span) = self.keyword(keyword) {
                return Err(ParseError::unsupported(span, what));
            }
        }
        if self.keyword("any-user").is_some() {
            return Ok(Subject::AnyUser);
        }
        if self.keyword("any-group").is_some() {
            return Ok(Subject::AnyGroup);
        }
        if self.keyword("group").is_none() {
            return Err(self.unexpected(&[
                "group",
                "any-user",
                "any-group",
                "dynamic-group",
                "service",
            ]));
        }
        let mut groups = vec![self.placed(|parser| parser.group(false))?];
        while self.peek().0 == Token::Comma {
            self.advance();
            let by_id = matches!(groups.last(), Some(Spanned { value: GroupName::Id(_), .. }));
            groups.push(self.placed(|parser| parser.group(by_id))?);
        }
        Ok(Subject::Groups(groups))
    }

    /// Takes the word `id` if an identifier is meant to follow it; a name may be `id` too, and then
    /// the grammar goes on with punctuation or with the keyword `next`.
    fn id(&mut self, next: &str) -> bool {
        let follows = self.tokens.get(self.at + 1).map(|placed| &placed.token);
        let identifier = match follows {
            Some(Token::Word(word)) => !word.eq_ignore_ascii_case(next),
            Some(Token::Quoted(_)) => true,
            _ => false,
        };
        identifier && self.keyword("id").is_some()
    }

    /// A group; after one that was named by OCID the word `id` may be left out.
    fn group(&mut self, by_id: bool) -> Result<GroupName, ParseError> {
        if self.id("to") {
            return self.ocid().map(GroupName::Id);
        }
        if by_id && matches!(self.peek().0, Token::Word(word) if word.starts_with("ocid1.")) {
            return self.ocid().map(GroupName::Id);
        }
        let first = self.name("a group name")?;
        if self.peek().0 != Token::Slash {
            return Ok(GroupName::Named { domain: None, name: first });
        }
        self.advance();
        Ok(GroupName::Named { domain: Some(first), name: self.name("a group name")? })
    }

    fn name(&mut self, what: &'static str) -> Result<String, ParseError> {
        match self.peek().0 {
            Token::Word(name) => {
                self.advance();
                Ok(name.to_owned())
            }
            Token::Quoted(name) if !name.trim().is_empty() => {
                self.advance();
                Ok(name.to_owned())
            }
            _ => Err(self.unexpected(&[what])),
        }
    }

    fn ocid(&mut self) -> Result<Ocid, ParseError> {
        let (token, span) = self.peek();
        let (Token::Word(text) | Token::Quoted(text)) = token else {
            return Err(self.unexpected(&["an OCID"]));
        };
        let parsed = text.parse();
        self.advance();
        parsed.map_err(|_not_an_ocid| ParseError::syntax(span, "not an OCID", &["an OCID"]))
    }

    fn action(&mut self) -> Result<Action, ParseError> {
        let to = self.keyword("to").is_some();
        if self.peek().0 == Token::Open {
            self.advance();
            return self.permissions().map(Action::Permissions);
        }
        if !to {
            return Err(self.unexpected(&["to"]));
        }
        let (token, _) = self.peek();
        let verb = match token {
            Token::Word(word) => {
                Verb::ALL.into_iter().find(|verb| verb.name().eq_ignore_ascii_case(word))
            }
            _ => None,
        };
        let Some(verb) = verb else {
            return Err(self.unexpected(&["inspect", "read", "use", "manage"]));
        };
        self.advance();
        self.resource_type().map(|resource_type| Action::Verb(verb, resource_type))
    }

    fn resource_type(&mut self) -> Result<ResourceType, ParseError> {
        let (token, span) = self.peek();
        let word = match token {
            Token::Word(word) if !word.eq_ignore_ascii_case("in") => word,
            _ => return Err(self.unexpected(&["a resource-type"])),
        };
        let known = ResourceType::ALL.iter().map(|known| known.name());
        let unknown = || ParseError::unknown(span, "resource-type", word, known);
        let resource_type = ResourceType::named(word).ok_or_else(unknown)?;
        self.advance();
        Ok(resource_type)
    }

    /// A resource-type may stand between a permission set and `in`; what it would take away from
    /// the set is not evaluated.
    fn no_resource_type(&self) -> Result<(), ParseError> {
        let (token, span) = self.peek();
        let after = self.tokens.get(self.at + 1).map(|placed| &placed.token);
        let then_in = matches!(after, Some(Token::Word(word)) if word.eq_ignore_ascii_case("in"));
        if matches!(token, Token::Word(_)) && then_in {
            return Err(ParseError::unsupported(span, "a resource-type after a permission set"));
        }
        Ok(())
    }

    /// `{A, B}`, the opening brace already taken.
    fn permissions(&mut self) -> Result<PermissionSet, ParseError> {
        let mut permissions = Vec::new();
        loop {
            let (token, span) = self.peek();
            let Token::Word(word) = token else {
                return Err(self.unexpected(&["a permission"]));
            };
            let known = Permission::ALL.iter().map(|known| known.name());
            let unknown = || ParseError::unknown(span, "permission", word, known);
            permissions.push(Permission::named(word).ok_or_else(unknown)?);
            self.advance();
            match self.peek().0 {
                Token::Comma => self.advance(),
                Token::Close => {
                    self.advance();
                    return Ok(PermissionSet::of(&permissions));
                }
                _ => return Err(self.unexpected(&[",", "}"])),
            }
        }
    }

    fn location(&mut self) -> Result<Location, ParseError> {
        if self.keyword("tenancy").is_some() {
            return Ok(Location::Tenancy);
        }
        if self.keyword("compartment").is_none() {
            return Err(self.unexpected(&["tenancy", "compartment"]));
        }
        if self.id("where") {
            return self.ocid().map(Location::Id);
        }
        let mut path = vec![self.name("a compartment name")?];
        while self.peek().0 == Token::Colon {
            self.advance();
            path.push(self.name("a compartment name")?);
        }
        Ok(Location::Path(path))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::ParseErrorKind;

    #[test]
    fn reads_the_statement_that_a_tenancy_is_born_with() {
        let text = "Allow group Administrators to manage all-resources in tenancy";
        let statement = parse(text).unwrap();
        assert_eq!(text.get(statement.subject.span.clone()).unwrap(), "group Administrators");
        assert_eq!(text.get(statement.action.span.clone()).unwrap(), "to manage all-resources");
        assert_eq!(statement.location.value, Location::Tenancy);
        let action = Action::Verb(Verb::Manage, ResourceType::AllResources);
        assert_eq!(statement.action.value, action);
    }

    #[test]
    fn errors_point_at_the_offending_word_and_suggest_the_right_one() {
        for (text, word, suggestion) in [
            ("Allow group A to raed secrets in tenancy", "raed", Some("read")),
            (
                "Allow group A to read secrets-family in tenancy",
                "secrets-family",
                Some("secret-family"),
            ),
            ("Alow group A to read secrets in tenancy", "Alow", Some("allow")),
            ("Allow grup A to read secrets in tenancy", "grup", Some("group")),
            ("Allow group A to {SECRET_RAED} in tenancy", "SECRET_RAED", Some("SECRET_READ")),
            ("Allow group A to read secrets in tenant", "tenant", Some("tenancy")),
            ("Allow group A to read secrets in tenancy now", "now", None),
            ("Allow group A to read secrets in compartment 'X", "'X", None),
            ("Allow group A to read secrets on tenancy", "on", Some("in")),
            ("Allow group A to {KEY_READ} on tenancy", "on", Some("in")),
            (
                "Allow group id ocd1.group.oc1..a to read secrets in tenancy",
                "ocd1.group.oc1..a",
                None,
            ),
            ("Allow group A to read secrets in compartment id 'prod'", "'prod'", None),
            ("Allow group A to read in tenancy", "in", None),
            ("Allow user alice to read secrets in tenancy", "user", None),
            ("Allow group A to read secret in tenancy", "secret", Some("secrets")),
        ] {
            let error = parse(text).unwrap_err();
            assert_eq!(
                (text.get(error.span.clone()).unwrap(), error.suggestion),
                (word, suggestion),
                "{text}"
            );
            assert_eq!(error.kind, ParseErrorKind::Syntax);
        }
        let rendered = parse("Allow group A to raed secrets in tenancy").unwrap_err();
        assert_eq!(
            rendered.render("Allow group A to raed secrets in tenancy"),
            "error: unexpected word `raed` at character 17, expected inspect, read, use, manage\n  \
             | Allow group A to raed secrets in tenancy\n  \
             |                  ^^^^\n  \
             = did you mean `read`?"
        );
    }

    #[test]
    fn what_is_not_evaluated_is_refused_by_name() {
        for (text, word) in [
            ("deny group A to read secrets in tenancy", "deny"),
            ("Allow dynamic-group D to read secrets in tenancy", "dynamic-group"),
            ("Allow group A to read secrets in tenancy where target.secret.name = 'x'", "where"),
            ("Allow group A to manage buckets in tenancy", "buckets"),
            ("Allow group A to {SUBNET_READ} in tenancy", "SUBNET_READ"),
            ("Allow group A to {SECRET_READ} secrets in tenancy", "secrets"),
            ("Allow service X to read secrets in tenancy", "service"),
            ("Allow resource vault secret X to read secrets in tenancy", "resource"),
            ("Endorse group A to read secrets in any-tenancy", "Endorse"),
            ("Admit group A of tenancy T to read secrets in tenancy", "Admit"),
            ("Define tenancy T as ocid1.tenancy.oc1..t", "Define"),
        ] {
            let error = parse(text).unwrap_err();
            assert_eq!(
                (error.kind, text.get(error.span).unwrap()),
                (ParseErrorKind::Unsupported, word)
            );
        }
    }

    #[test]
    fn subjects_and_locations_in_all_their_forms() {
        for text in [
            "allow any-user to read secret-bundles in compartment Apps:Prod:'D B'",
            "ALLOW GROUP 'Ops Team', Fed/Readers, 'Default'/'X' TO INSPECT VAULTS IN TENANCY",
            "Allow group id ocid1.group.oc1..a, id ocid1.group.oc1..b, ocid1.group.oc1..c to use keys in compartment id ocid1.compartment.oc1..c",
            "Allow group id to use keys in compartment id",
            "Allow group A {KEY_READ, SECRET_READ} in tenancy",
        ] {
            parse(text).unwrap_or_else(|error| panic!("{}", error.render(text)));
        }
    }
}
