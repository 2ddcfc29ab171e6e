//! A Rust file as the facts that rules ask for: sizes, names and paths, with test code told apart.
//!
//! The file is parsed exactly, by `syn`; the facts are plain data, since a syntax tree cannot move between threads.

use std::ops::RangeInclusive;

use proc_macro2::{Delimiter, TokenStream, TokenTree};
use syn::spanned::Spanned;
use syn::visit::{self, Visit};

/// The facts of one Rust file. Lines count from 1.
#[derive(Debug, Default)]
pub struct Source {
    /// The path relative to the root of the repository.
    pub path: String,
    /// Why the file could not be parsed; the other facts are empty then.
    pub broken: Option<String>,
    /// Whether the first line is a `//!` comment.
    pub opens_with_docs: bool,
    /// Lines outside test code.
    pub production_lines: usize,
    /// Lines of test code.
    pub test_lines: usize,
    /// Every function with a body.
    pub functions: Vec<Function>,
    /// The lines of glob imports outside test code.
    pub globs: Vec<usize>,
    /// Identifiers and string literals outside test code and documentation.
    pub words: Vec<Word>,
    /// Paths of two segments and more outside test code, imports written out.
    pub paths: Vec<Word>,
    /// The names of test functions, those in macros too.
    pub tests: Vec<String>,
    /// The names of the public modules that the file declares.
    pub modules: Vec<String>,
}

/// A function and its length, from its signature to its closing brace.
#[derive(Debug)]
pub struct Function {
    /// The bare name.
    pub name: String,
    /// Where its signature starts.
    pub line: usize,
    /// How many lines it has.
    pub lines: usize,
}

/// A piece of text of the code.
#[derive(Debug)]
pub struct Word {
    /// Where it stands.
    pub line: usize,
    /// The text, without quotes.
    pub text: String,
    /// Whether it is a string literal.
    pub quoted: bool,
}

impl Word {
    const fn new(line: usize, text: String) -> Self {
        Self { line, text, quoted: false }
    }
}

impl Source {
    /// Reads the facts.
    pub fn read(path: &str, text: &str) -> Self {
        let mut source = Self { path: path.to_owned(), ..Self::default() };
        let parsed = syn::parse_file(text).and_then(|file| Ok((file, text.parse::<TokenStream>()?)));
        match parsed {
            Ok((file, tokens)) => source.fill(text, &file, tokens),
            Err(error) => source.broken = Some(error.to_string()),
        }
        source
    }

    /// Whether the whole file is test code.
    pub fn is_test_file(&self) -> bool {
        let path = &self.path;
        path.starts_with("tests/it/") || path.ends_with("/tests.rs") || path.contains("/tests/")
    }

    fn fill(&mut self, text: &str, file: &syn::File, tokens: TokenStream) {
        let mut reader = Reader::default();
        reader.visit_file(file);
        let all = text.lines().count();
        let in_test = |line: usize| reader.test_ranges.iter().any(|range| range.contains(&line));
        let test_lines = (1..=all).filter(|line| in_test(*line)).count();
        let whole = self.is_test_file();
        self.test_lines = if whole { all } else { test_lines };
        self.production_lines = all - self.test_lines;
        self.opens_with_docs = text.starts_with("//!");
        flatten(tokens, &mut self.words, &mut self.tests);
        self.words.retain(|word| !whole && !in_test(word.line));
        self.globs = reader.globs.into_iter().filter(|line| !whole && !in_test(*line)).collect();
        self.paths = reader.paths.into_iter().filter(|path| !whole && !in_test(path.line)).collect();
        self.functions = reader.functions;
        self.modules = reader.modules;
    }
}

#[derive(Default)]
struct Reader {
    test_ranges: Vec<RangeInclusive<usize>>,
    functions: Vec<Function>,
    globs: Vec<usize>,
    paths: Vec<Word>,
    modules: Vec<String>,
}

impl Reader {
    fn note_test_code(&mut self, attributes: &[syn::Attribute], spanned: &impl Spanned) {
        if attributes.iter().any(|attribute| is_test_gate(attribute) || is_test_mark(attribute)) {
            let span = spanned.span();
            self.test_ranges.push(span.start().line..=span.end().line);
        }
    }

    fn note_function(&mut self, signature: &syn::Signature, block: &syn::Block) {
        let line = signature.span().start().line;
        let lines = block.span().end().line + 1 - line;
        self.functions.push(Function { name: signature.ident.to_string(), line, lines });
    }

    fn note_import(&mut self, before: &str, tree: &syn::UseTree) {
        let join =
            |ident: &syn::Ident| if before.is_empty() { ident.to_string() } else { format!("{before}::{ident}") };
        let line = tree.span().start().line;
        match tree {
            syn::UseTree::Path(path) => self.note_import(&join(&path.ident), &path.tree),
            syn::UseTree::Name(name) => self.paths.push(Word::new(line, join(&name.ident))),
            syn::UseTree::Rename(rename) => self.paths.push(Word::new(line, join(&rename.ident))),
            syn::UseTree::Group(group) => group.items.iter().for_each(|item| self.note_import(before, item)),
            _ => {
                self.globs.push(line);
                self.paths.push(Word::new(line, before.to_owned()));
            }
        }
    }
}

impl<'ast> Visit<'ast> for Reader {
    fn visit_item_mod(&mut self, item: &'ast syn::ItemMod) {
        self.note_test_code(&item.attrs, item);
        if matches!(item.vis, syn::Visibility::Public(_)) {
            self.modules.push(item.ident.to_string());
        }
        visit::visit_item_mod(self, item);
    }

    fn visit_item_fn(&mut self, item: &'ast syn::ItemFn) {
        self.note_test_code(&item.attrs, item);
        self.note_function(&item.sig, &item.block);
        visit::visit_item_fn(self, item);
    }

    fn visit_impl_item_fn(&mut self, item: &'ast syn::ImplItemFn) {
        self.note_test_code(&item.attrs, item);
        self.note_function(&item.sig, &item.block);
        visit::visit_impl_item_fn(self, item);
    }

    fn visit_trait_item_fn(&mut self, item: &'ast syn::TraitItemFn) {
        if let Some(block) = &item.default {
            self.note_function(&item.sig, block);
        }
        visit::visit_trait_item_fn(self, item);
    }

    fn visit_item_impl(&mut self, item: &'ast syn::ItemImpl) {
        self.note_test_code(&item.attrs, item);
        visit::visit_item_impl(self, item);
    }

    fn visit_item_use(&mut self, item: &'ast syn::ItemUse) {
        self.note_test_code(&item.attrs, item);
        self.note_import("", &item.tree);
    }

    fn visit_path(&mut self, path: &'ast syn::Path) {
        let segments: Vec<String> = path.segments.iter().map(|segment| segment.ident.to_string()).collect();
        if segments.len() > 1 {
            self.paths.push(Word::new(path.span().start().line, segments.join("::")));
        }
        visit::visit_path(self, path);
    }
}

/// `#[cfg(test)]` and `#[cfg(all(test, …))]`; not `any`, which is production code somewhere.
fn is_test_gate(attribute: &syn::Attribute) -> bool {
    let syn::Meta::List(list) = &attribute.meta else { return false };
    let gate = list.tokens.to_string().replace(' ', "");
    list.path.is_ident("cfg") && (gate == "test" || gate.starts_with("all(test,"))
}

/// `#[test]`, `#[tokio::test]` and the like.
fn is_test_mark(attribute: &syn::Attribute) -> bool {
    attribute.path().segments.last().is_some_and(|segment| segment.ident == "test")
}

/// Walks the tokens, inside macros too: identifiers and literals become words, what follows a test mark a test.
fn flatten(tokens: TokenStream, words: &mut Vec<Word>, tests: &mut Vec<String>) {
    let mut tokens = tokens.into_iter().peekable();
    let mut marked = false;
    while let Some(token) = tokens.next() {
        let line = token.span().start().line;
        match token {
            TokenTree::Punct(punct) if punct.as_char() == '#' => {
                // An attribute of what encloses it, such as `//!`, has a `!` before its brackets.
                tokens.next_if(|token| matches!(token, TokenTree::Punct(punct) if punct.as_char() == '!'));
                let Some(TokenTree::Group(group)) = tokens.peek() else { continue };
                let attribute = group.stream().to_string();
                marked |= group.delimiter() == Delimiter::Bracket && marks_a_test(&attribute);
                if attribute.starts_with("doc") {
                    tokens.next();
                }
            }
            TokenTree::Ident(ident) if ident == "fn" => {
                if let (true, Some(TokenTree::Ident(name))) = (std::mem::take(&mut marked), tokens.peek()) {
                    tests.push(name.to_string());
                }
            }
            TokenTree::Ident(ident) => words.push(Word::new(line, ident.to_string())),
            TokenTree::Literal(literal) => {
                let text = literal.to_string();
                let quoted = text.split_once('"').and_then(|(_, rest)| rest.rsplit_once('"'));
                words.extend(quoted.map(|(inner, _)| Word { line, text: inner.to_owned(), quoted: true }));
            }
            TokenTree::Group(group) => flatten(group.stream(), words, tests),
            TokenTree::Punct(_) => {}
        }
    }
}

fn marks_a_test(attribute: &str) -> bool {
    let path = attribute.split('(').next().unwrap_or_default().replace(' ', "");
    path == "test" || path.ends_with("::test")
}

#[cfg(test)]
mod tests {
    use super::Source;

    const SAMPLE: &str = r#"//! Docs about openai.
use std::{fs, env as environment};
use super::thing::*;

/// Says acme.
pub fn long() {
    let text = "acme";
    std::thread::spawn(text);
}

pub mod part {}

#[cfg(test)]
mod tests {
    use super::*;
    #[tokio::test(start_paused = true)]
    async fn it_waits() {}
    proptest! {
        #[test]
        fn it_holds(x in 0..3) {}
    }
}
"#;

    #[test]
    fn facts_of_a_file_are_read() {
        let source = Source::read("core/src/sample.rs", SAMPLE);
        assert_eq!(source.broken, None);
        assert!(source.opens_with_docs);
        assert_eq!((source.production_lines, source.test_lines), (12, 10));
        assert_eq!(source.globs, [3]);
        assert_eq!(source.tests, ["it_waits", "it_holds"]);
        assert_eq!(source.modules, ["part"]);
        let function = &source.functions[0];
        assert_eq!((function.name.as_str(), function.line, function.lines), ("long", 6, 4));
        let paths: Vec<&str> = source.paths.iter().map(|path| path.text.as_str()).collect();
        assert_eq!(paths, ["std::fs", "std::env", "super::thing", "std::thread::spawn"]);
    }

    #[test]
    fn words_are_those_of_code_and_not_of_docs_or_tests() {
        let source = Source::read("core/src/sample.rs", SAMPLE);
        let count = |text: &str| source.words.iter().filter(|word| word.text.contains(text)).count();
        assert_eq!((count("acme"), count("long")), (1, 1));
        assert_eq!((count("openai"), count("it_waits")), (0, 0));
    }

    #[test]
    fn a_file_of_tests_has_no_production_code() {
        let source = Source::read("tests/it/sample.rs", SAMPLE);
        assert_eq!((source.production_lines, source.test_lines), (0, 22));
        assert!(source.words.is_empty() && source.globs.is_empty());
    }

    #[test]
    fn what_does_not_parse_is_said_to_be_broken() {
        assert!(Source::read("x.rs", "fn (").broken.is_some());
    }
}
