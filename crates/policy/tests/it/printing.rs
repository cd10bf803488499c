//! Whatever can be said is printed so that it is read back.

use proptest::prelude::*;
use strongroom_model::Permission;
use strongroom_policy::ast::{
    Action, Admit, Allow, Condition, Define, DefineKind, Endorse, GroupName, Location,
    QualifiedName, ResourceName, Scope, Spanned, Statement, Subject, Tenancy, Value, With,
};
use strongroom_policy::{ResourceType, Rule, RuleVariable, Verb, parse, parse_rule};

use crate::corpus::shape;

fn at<T>(value: T) -> Spanned<T> {
    Spanned { value, span: 0..0 }
}

fn placed<T: std::fmt::Debug + Clone>(
    strategy: impl Strategy<Value = T>,
) -> impl Strategy<Value = Spanned<T>> {
    strategy.prop_map(at)
}

fn several<T: std::fmt::Debug + Clone>(
    strategy: impl Strategy<Value = T>,
    least: usize,
) -> impl Strategy<Value = Vec<Spanned<T>>> {
    prop::collection::vec(placed(strategy), least..4)
}

/// Words that mean something where a name can stand, and names of all kinds.
fn name() -> impl Strategy<Value = String> {
    let words = [
        "id",
        "ID",
        "to",
        "in",
        "of",
        "as",
        "with",
        "where",
        "not",
        "all",
        "any",
        "tenancy",
        "compartment",
        "group",
        "any-user",
        "any-tenancy",
        "ocid1.group.oc1..a",
        "A",
        "a.b",
        "B C",
    ];
    prop_oneof![
        prop::sample::select(words.to_vec()).prop_map(str::to_owned),
        "[^']{0,4}[^' \t\r\n\\p{Z}\u{b}\u{c}\u{85}][^']{0,4}",
    ]
}

/// An identifier: it is in quotes, and documentation shortens them.
fn ocid() -> impl Strategy<Value = String> {
    "ocid[^']{0,9}"
}

fn qualified() -> impl Strategy<Value = QualifiedName> {
    (prop::option::of(name()), name()).prop_map(|(domain, name)| QualifiedName { domain, name })
}

fn subject() -> impl Strategy<Value = Subject> {
    let group =
        || prop_oneof![qualified().prop_map(GroupName::Named), ocid().prop_map(GroupName::Id)];
    prop_oneof![
        Just(Subject::AnyUser),
        Just(Subject::AnyGroup),
        several(group(), 1).prop_map(Subject::Groups),
        several(group(), 1).prop_map(Subject::DynamicGroups),
        several(name(), 1).prop_map(Subject::Services),
        several(name(), 2).prop_map(Subject::Resources),
    ]
}

fn resource() -> impl Strategy<Value = ResourceName> {
    prop_oneof![
        prop::sample::select(ResourceType::ALL).prop_map(ResourceName::Known),
        "zz[a-z-]{4,9}".prop_map(ResourceName::Other),
    ]
}

fn action(between_tenancies: bool) -> impl Strategy<Value = Action> {
    let known = prop::sample::select(Permission::ALL).prop_map(|one| one.name().to_owned());
    let permission = prop_oneof![known, "ZZ_[A-Z_]{4,9}"];
    let verb = prop::sample::select(&Verb::ALL[..]);
    prop_oneof![
        (verb, resource()).prop_map(|(verb, on)| Action::Verb(verb, on)),
        (several(permission, 1), prop::option::of(resource()))
            .prop_map(|(permissions, on)| Action::Permissions(permissions, on)),
        resource().prop_map(Action::Associate),
    ]
    .prop_filter("between tenancies only", move |action| {
        between_tenancies || !matches!(action, Action::Associate(_))
    })
}

fn compartment() -> impl Strategy<Value = Location> {
    prop_oneof![
        prop::collection::vec(name(), 1..4).prop_map(Location::Path),
        ocid().prop_map(Location::Id),
    ]
}

fn location() -> impl Strategy<Value = Location> {
    prop_oneof![Just(Location::Tenancy), compartment()]
}

fn scope() -> impl Strategy<Value = Scope> {
    prop_oneof![
        Just(Scope::AnyTenancy),
        prop::option::of(name()).prop_map(Scope::Tenancy),
        (compartment(), prop::option::of(name()))
            .prop_map(|(place, tenancy)| Scope::Compartment(place, tenancy)),
    ]
}

fn variable() -> impl Strategy<Value = Spanned<String>> {
    placed("(request|Target)(\\.[a-zA-Z0-9_-]{1,5}){1,3}")
}

fn value() -> impl Strategy<Value = Value> {
    prop_oneof![
        "[^']{0,9}".prop_map(Value::Text),
        "[a-z*. ,'{})/]{0,9}[a-z]"
            .prop_filter("would end sooner", |text| {
                ["/ ", "/,", "/}", "/)"].iter().all(|end| !text.contains(end))
            })
            .prop_map(Value::Pattern),
        "ocid1\\.[a-z0-9_.-]{0,9}".prop_map(Value::Id),
        variable().prop_map(|variable| Value::Variable(variable.value)),
    ]
}

fn condition() -> impl Strategy<Value = Condition> {
    let (value, time) = (|| placed(value()), || placed("[^']{0,9}"));
    let clause = prop_oneof![
        (variable(), any::<bool>(), value()).prop_map(|(variable, differs, value)| {
            Condition::Compare { variable, differs, value }
        }),
        (variable(), any::<bool>(), prop::collection::vec(value(), 1..4))
            .prop_map(|(variable, negated, values)| Condition::In { variable, negated, values }),
        (variable(), time()).prop_map(|(variable, time)| Condition::Before(variable, time)),
        (variable(), time()).prop_map(|(variable, time)| Condition::After(variable, time)),
        (variable(), time(), time())
            .prop_map(|(variable, a, b)| Condition::Between(variable, a, b)),
        (variable(), prop::collection::vec(value(), 1..4))
            .prop_map(|(variable, values)| Condition::SetsIntersect(variable, values)),
        (variable(), prop::collection::vec(value(), 1..4))
            .prop_map(|(variable, values)| Condition::SetsEqual(variable, values)),
        variable().prop_map(Condition::Absent),
        variable().prop_map(Condition::Present),
    ];
    clause.prop_recursive(3, 9, 3, |inner| {
        (any::<bool>(), several(inner, 1)).prop_map(|(all, clauses)| {
            if all { Condition::All(clauses) } else { Condition::Any(clauses) }
        })
    })
}

fn statement() -> impl Strategy<Value = Statement> {
    let when = || prop::option::of(placed(condition()));
    let with = || {
        prop::option::of((placed(resource()), placed(scope())))
            .prop_map(|with| with.map(|(resource_type, scope)| With { resource_type, scope }))
    };
    let allow =
        (any::<bool>(), placed(subject()), placed(action(false)), placed(location()), when())
            .prop_map(|(denies, subject, action, location, condition)| {
                Statement::Allow(Allow { denies, subject, action, location, condition })
            });
    let tenancy = prop_oneof![Just(Tenancy::Any), name().prop_map(Tenancy::Named)];
    let admit = (
        (any::<bool>(), placed(subject()), prop::option::of(placed(tenancy))),
        (placed(action(true)), placed(location()), with(), when()),
    )
        .prop_map(|((denies, subject, tenancy), (action, location, with, condition))| {
            let all = matches!(subject.value, Subject::AnyUser | Subject::AnyGroup);
            let tenancy = tenancy.filter(|tenancy| all || tenancy.value != Tenancy::Any);
            Statement::Admit(Admit { denies, subject, tenancy, action, location, with, condition })
        });
    let endorse =
        (any::<bool>(), placed(subject()), placed(action(true)), placed(scope()), with(), when())
            .prop_map(|(denies, subject, action, scope, with, condition)| {
                Statement::Endorse(Endorse { denies, subject, action, scope, with, condition })
            });
    let kinds =
        [DefineKind::Tenancy, DefineKind::Group, DefineKind::DynamicGroup, DefineKind::Compartment];
    let define = (prop::sample::select(kinds.to_vec()), placed(qualified()), placed(ocid()))
        .prop_map(|(kind, name, id)| Statement::Define(Define { kind: at(kind), name, id }));
    prop_oneof![4 => allow, 2 => admit, 2 => endorse, 1 => define]
}

fn rule() -> impl Strategy<Value = Rule> {
    let part = "[a-zA-Z0-9_-]{1,5}";
    let tag = || (part, part).prop_map(|(namespace, key)| RuleVariable::Tag { namespace, key });
    let variable = prop_oneof![
        Just(RuleVariable::InstanceId),
        Just(RuleVariable::InstanceCompartmentId),
        Just(RuleVariable::ResourceId),
        Just(RuleVariable::ResourceType),
        Just(RuleVariable::ResourceCompartmentId),
        Just(RuleVariable::ResourceCompartmentName),
        tag(),
    ];
    let predicate = prop_oneof![
        (variable, any::<bool>(), "[^']{0,9}")
            .prop_map(|(variable, differs, value)| Rule::Compare { variable, differs, value }),
        tag().prop_map(Rule::HasTag),
    ];
    predicate.prop_recursive(4, 12, 4, |inner| {
        (any::<bool>(), several(inner, 1))
            .prop_map(|(all, rules)| if all { Rule::All(rules) } else { Rule::Any(rules) })
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn what_is_printed_is_read_back(statement in statement()) {
        let printed = statement.to_string();
        let read = parse(&printed).map_err(|error| TestCaseError::fail(error.render(&printed)))?;
        prop_assert_eq!(shape(&read), shape(&statement), "{}", printed);
        prop_assert_eq!(read.to_string(), printed);
    }

    #[test]
    fn a_rule_that_is_printed_is_read_back(rule in rule()) {
        let printed = rule.to_string();
        let read =
            parse_rule(&printed).map_err(|error| TestCaseError::fail(error.render(&printed)))?;
        prop_assert_eq!(shape(&read), shape(&rule), "{}", printed);
        prop_assert_eq!(read.to_string(), printed);
    }
}
