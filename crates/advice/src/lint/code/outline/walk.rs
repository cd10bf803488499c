use std::ops::Range;

use tree_sitter::Node;

use super::names::{bound, callee, field, path, receiver, text_of};
use super::{Assign, Call, Function, Loop, Mention, Outline, Return, last};

/// How deep a tree is read.
const DEEPEST: usize = 400;

pub(super) fn walk(root: Node<'_>, text: &str) -> Outline {
    let mut walker = Walker { text, outline: Outline::default() };
    walker.outline.functions.push(Function {
        name: String::new(),
        parameters: Vec::new(),
        span: root.byte_range(),
        head: 0..0,
    });
    walker.visit(root, &Place::default());
    walker.outline.mentions.sort_by_key(|mention| mention.span.start);
    walker.outline
}

struct Walker<'a> {
    text: &'a str,
    outline: Outline,
}

/// What is around a node.
#[derive(Clone, Default)]
struct Place {
    function: usize,
    loops: Vec<usize>,
    call: Option<usize>,
    /// What is called or taken of the node's value.
    methods: Vec<String>,
    depth: usize,
}

impl Place {
    fn deeper(&self) -> Self {
        Self { depth: self.depth + 1, ..self.clone() }
    }
}

impl Walker<'_> {
    fn visit(&mut self, node: Node<'_>, place: &Place) {
        if place.depth > DEEPEST {
            return;
        }
        match node.kind() {
            "function_definition"
            | "function_declaration"
            | "method_declaration"
            | "function_item"
            | "method_definition"
            | "arrow_function"
            | "function_expression"
            | "func_literal"
            | "closure_expression"
            | "lambda"
            | "lambda_expression"
            | "constructor_declaration"
            | "generator_function_declaration" => {
                self.function(node, place);
            }
            "call"
            | "call_expression"
            | "method_invocation"
            | "new_expression"
            | "object_creation_expression"
            | "macro_invocation" => self.call(node, place),
            "assignment"
            | "named_expression"
            | "variable_declarator"
            | "assignment_expression"
            | "short_var_declaration"
            | "assignment_statement"
            | "var_spec"
            | "let_declaration"
            | "resource"
            | "let_condition" => self.assign(node, place),
            "as_pattern" => self.as_pattern(node, place),
            "for_statement"
            | "for_in_statement"
            | "enhanced_for_statement"
            | "while_statement"
            | "do_statement"
            | "for_expression"
            | "while_expression"
            | "loop_expression" => {
                self.repeat(node, place);
            }
            "return_statement" | "return_expression" => {
                let value = node.byte_range();
                self.outline.returns.push(Return { value, function: place.function });
                self.children(node, place);
            }
            "comment"
            | "line_comment"
            | "block_comment"
            | "import_statement"
            | "import_from_statement"
            | "import_declaration"
            | "use_declaration" => {}
            _ => self.expression(node, place),
        }
    }

    fn children(&mut self, node: Node<'_>, place: &Place) {
        let place = place.deeper();
        let mut cursor = node.walk();
        for child in node.children(&mut cursor) {
            self.visit(child, &place);
        }
    }

    fn expression(&mut self, node: Node<'_>, place: &Place) {
        if !is_name(node.kind()) {
            return self.children(node, place);
        }
        if let Some(path) = path(node, self.text) {
            self.mention(path, node.byte_range(), place);
        }
        self.calls_in_path(node, place);
    }

    /// A path may have calls in it, such as `f(x).data`, and indexes: their own names are read too.
    fn calls_in_path(&mut self, node: Node<'_>, place: &Place) {
        if matches!(node.kind(), "identifier" | "field_identifier" | "type_identifier") {
            return;
        }
        let mut inner = place.deeper();
        let part = field(node, &["attribute", "property", "field", "name"]);
        inner.methods.extend(part.map(|part| text_of(part, self.text).to_owned()));
        let mut cursor = node.walk();
        for child in node.named_children(&mut cursor) {
            if is_call(child.kind()) {
                self.visit(child, &inner);
            } else if !is_name(child.kind()) {
                self.visit(child, &place.deeper());
            } else if child.kind() != "identifier" {
                self.calls_in_path(child, &inner);
            }
        }
    }

    fn mention(&mut self, path: String, span: Range<usize>, place: &Place) {
        let (function, call, methods) = (place.function, place.call, place.methods.clone());
        self.outline.mentions.push(Mention { path, span, function, call, methods });
    }

    fn function(&mut self, node: Node<'_>, place: &Place) {
        let whole = outer(node);
        let body = node.child_by_field_name("body");
        let parameters = field(node, &["parameters", "parameter"]);
        let number = self.outline.functions.len();
        let head_end = body.map_or(node.end_byte(), |body| body.start_byte());
        self.outline.functions.push(Function {
            name: function_name(node, self.text),
            parameters: parameters.map_or_else(Vec::new, |node| parameter_names(node, self.text)),
            span: node.byte_range(),
            head: whole.start_byte()..head_end,
        });
        let inner = Place { function: number, depth: place.depth + 1, ..Place::default() };
        if let Some(body) = body {
            if matches!(
                node.kind(),
                "arrow_function" | "lambda" | "lambda_expression" | "closure_expression"
            ) && !matches!(body.kind(), "statement_block" | "block")
            {
                self.outline.returns.push(Return { value: body.byte_range(), function: number });
            }
            self.visit(body, &inner);
            if node.kind() == "function_item" {
                self.tail(body, number);
            }
        }
    }

    /// The last expression of a Rust function is what it returns.
    fn tail(&mut self, body: Node<'_>, function: usize) {
        let mut cursor = body.walk();
        let last = body.named_children(&mut cursor).last();
        let is_statement =
            |node: &Node<'_>| node.kind().ends_with("_statement") || node.kind().ends_with("_item");
        if let Some(last) = last.filter(|node| !is_statement(node)) {
            self.outline.returns.push(Return { value: last.byte_range(), function });
        }
    }

    fn call(&mut self, node: Node<'_>, place: &Place) {
        let Some(callee) = callee(node, self.text) else { return self.children(node, place) };
        let arguments = field(node, &["arguments"]).or_else(|| token_tree(node));
        let number = self.outline.calls.len();
        let method = last(&callee).to_owned();
        self.outline.calls.push(Call {
            callee,
            span: node.byte_range(),
            arguments: arguments.map_or_else(Vec::new, argument_ranges),
            function: place.function,
            loops: place.loops.clone(),
            parent: place.call,
        });
        if let Some(receiver) = receiver(node) {
            let mut of_receiver = place.deeper();
            of_receiver.methods.insert(0, method);
            self.receiver(receiver, &of_receiver);
        }
        let inner = Place { call: Some(number), methods: Vec::new(), ..place.deeper() };
        let Some(arguments) = arguments else { return };
        if node.kind() == "macro_invocation" {
            self.tokens(arguments, &inner);
        } else {
            self.children(arguments, &inner);
        }
        self.class_body(node, place);
    }

    fn receiver(&mut self, node: Node<'_>, place: &Place) {
        let path = path(node, self.text);
        let is_path = path.is_some() && !is_call(node.kind());
        if let Some(path) = path {
            self.mention(path, node.byte_range(), place);
        }
        if is_path {
            self.calls_in_path(node, place);
        } else {
            self.visit(node, place);
        }
    }

    fn class_body(&mut self, node: Node<'_>, place: &Place) {
        let mut cursor = node.walk();
        for child in node.named_children(&mut cursor).filter(|child| child.kind() == "class_body") {
            self.visit(child, &place.deeper());
        }
    }

    /// What a Rust macro takes is not parsed: names, and those that a format string fills in.
    fn tokens(&mut self, node: Node<'_>, place: &Place) {
        let mut cursor = node.walk();
        for child in node.named_children(&mut cursor) {
            match child.kind() {
                "identifier" => {
                    let name = text_of(child, self.text).to_owned();
                    self.mention(name, child.byte_range(), place);
                }
                "string_literal" => self.filled_in(child, place),
                _ if place.depth < DEEPEST => self.tokens(child, &place.deeper()),
                _ => {}
            }
        }
    }

    fn filled_in(&mut self, node: Node<'_>, place: &Place) {
        let start = node.start_byte();
        let literal = text_of(node, self.text);
        for (at, _) in literal.match_indices('{') {
            let rest = literal.get(at + 1..).unwrap_or("");
            let end = rest.find(|c: char| !c.is_ascii_alphanumeric() && c != '_');
            let name = rest.get(..end.unwrap_or(0)).unwrap_or("");
            if name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_') {
                let from = start + at + 1;
                self.mention(name.to_owned(), from..from + name.len(), place);
            }
        }
    }

    fn assign(&mut self, node: Node<'_>, place: &Place) {
        let target = field(node, &["left", "pattern", "name"]);
        let value = field(node, &["right", "value"]);
        if let (Some(target), Some(value)) = (target, value) {
            self.outline.assigns.push(Assign {
                names: bound(target, self.text),
                value: value.byte_range(),
                function: place.function,
            });
            self.visit(value, &place.deeper());
            if let Some(path) = path(target, self.text).filter(|path| path.contains('[')) {
                self.mention(path, target.byte_range(), place);
            }
        } else {
            self.children(node, place);
        }
    }

    /// Python's `with open(p) as f`.
    fn as_pattern(&mut self, node: Node<'_>, place: &Place) {
        let alias = node.child_by_field_name("alias");
        if let (Some(alias), Some(value)) = (alias, node.named_child(0)) {
            self.outline.assigns.push(Assign {
                names: bound(alias, self.text),
                value: value.byte_range(),
                function: place.function,
            });
        }
        self.children(node, place);
    }

    fn repeat(&mut self, node: Node<'_>, place: &Place) {
        let number = self.outline.loops.len();
        let mut names = field(node, &["left", "pattern", "name"])
            .map_or_else(Vec::new, |node| bound(node, self.text));
        let mut cursor = node.walk();
        for clause in node.named_children(&mut cursor) {
            if matches!(clause.kind(), "range_clause" | "for_clause") {
                let left = field(clause, &["left", "initializer"]);
                names.extend(left.map_or_else(Vec::new, |node| bound(node, self.text)));
            }
        }
        self.outline.loops.push(Loop { names });
        let mut inner = place.deeper();
        inner.loops.push(number);
        let head = field(node, &["right", "value"]);
        for child in node.children(&mut node.walk()) {
            // What is looped over is asked for once.
            let is_head =
                head.is_some_and(|head| head == child) && node.kind() != "while_statement";
            self.visit(child, if is_head { place } else { &inner });
        }
    }
}

fn is_name(kind: &str) -> bool {
    matches!(
        kind,
        "identifier"
            | "attribute"
            | "member_expression"
            | "selector_expression"
            | "field_access"
            | "field_expression"
            | "scoped_identifier"
            | "subscript"
            | "subscript_expression"
            | "index_expression"
            | "array_access"
            | "shorthand_property_identifier"
    )
}

fn is_call(kind: &str) -> bool {
    matches!(
        kind,
        "call"
            | "call_expression"
            | "method_invocation"
            | "new_expression"
            | "object_creation_expression"
    )
}

/// Returns a function with its decorators.
fn outer(node: Node<'_>) -> Node<'_> {
    match node.parent() {
        Some(parent) if parent.kind() == "decorated_definition" => parent,
        _ => node,
    }
}

fn function_name(node: Node<'_>, text: &str) -> String {
    if let Some(name) = node.child_by_field_name("name") {
        return text_of(name, text).to_owned();
    }
    let parent = node.parent();
    let named = parent.filter(|parent| parent.kind() == "variable_declarator");
    let name = named.and_then(|parent| parent.child_by_field_name("name"));
    name.map_or_else(String::new, |name| text_of(name, text).to_owned())
}

fn parameter_names(node: Node<'_>, text: &str) -> Vec<String> {
    if node.kind() == "identifier" {
        return vec![text_of(node, text).to_owned()];
    }
    let mut names = Vec::new();
    let mut cursor = node.walk();
    for child in node.named_children(&mut cursor) {
        let name = field(child, &["name", "pattern"])
            .or_else(|| (child.kind() == "identifier").then_some(child))
            .or_else(|| child.named_child(0));
        names.extend(name.map(|name| text_of(name, text).to_owned()));
    }
    names
}

fn token_tree(node: Node<'_>) -> Option<Node<'_>> {
    let mut cursor = node.walk();
    node.named_children(&mut cursor).find(|child| child.kind() == "token_tree")
}

fn argument_ranges(arguments: Node<'_>) -> Vec<Range<usize>> {
    let mut cursor = arguments.walk();
    let is_argument = |node: &Node<'_>| !node.kind().ends_with("comment");
    arguments
        .named_children(&mut cursor)
        .filter(is_argument)
        .map(|argument| argument.byte_range())
        .collect()
}
