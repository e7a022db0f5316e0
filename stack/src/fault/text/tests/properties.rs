//! What was written is read as the same, and nothing that is read panics.

use proptest::prelude::*;

use super::*;

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn a_rule_is_the_same_after_its_line(rule in arbitrary::rule()) {
        let line = rule.to_string();
        let read: Result<Rule, _> = line.parse();
        prop_assert_eq!(read.as_ref(), Ok(&rule), "{}", line);
        prop_assert_eq!(read.unwrap().to_string(), line);
    }

    #[test]
    fn a_rule_without_a_name_gets_the_same_again(rule in arbitrary::rule()) {
        let line = Rule { name: Name::literal("x"), ..rule }.to_string();
        let unnamed = line.replacen("name=x ", "", 1);
        let read: Rule = unnamed.parse().unwrap();
        prop_assert_ne!(read.name, Name::NONE);
        // The name is not said, as it is no news.
        prop_assert_eq!(read.to_string(), unnamed);
        prop_assert_eq!(Rule { name: Name::literal("x"), ..read }, Rule { name: Name::literal("x"), ..rule });
    }

    #[test]
    fn a_document_is_the_same_after_its_text(document in arbitrary::document()) {
        let text = document.to_string();
        let read = text.parse::<Document>();
        prop_assert_eq!(read.as_ref(), Ok(&document), "{}", text);
        prop_assert_eq!(read.unwrap().to_string(), text);
        prop_assert_eq!(document.script(1).check(), Ok(()));
    }

    #[test]
    fn no_text_panics(text in any::<String>()) {
        let _ = text.parse::<Rule>().map_err(|error| error.to_string());
        let _ = text.parse::<Document>().map_err(|error| error.to_string());
    }

    #[test]
    fn no_change_of_a_good_text_panics(
        document in arbitrary::document(),
        changes in prop::collection::vec((any::<prop::sample::Index>(), "\\PC{0,2}|[\"=\\[\\]{}\n\t]"), 1..4),
    ) {
        for lines in [false, true] {
            let mut text = match document.rules.first() {
                Some(rule) if lines => rule.to_string(),
                _ => document.to_string(),
            };
            for (index, change) in &changes {
                let mut at = index.index(text.len() + 1);
                while !text.is_char_boundary(at) {
                    at -= 1;
                }
                let mut end = (at + 1).min(text.len());
                while !text.is_char_boundary(end) {
                    end += 1;
                }
                text.replace_range(at..end, change);
            }
            let checked = if lines {
                text.parse::<Rule>().map(|_| ())
            } else {
                // What is read makes sense to the engine.
                text.parse::<Document>().map(|document| {
                    assert_eq!(document.script(1).check(), Ok(()), "{text}");
                })
            };
            if let Err(error) = checked {
                let shown = error.to_string();
                prop_assert!(shown.contains('^') && shown.lines().count() == 4, "{}", shown);
                prop_assert!(error.line <= text.matches('\n').count() + 1);
            }
        }
    }
}
