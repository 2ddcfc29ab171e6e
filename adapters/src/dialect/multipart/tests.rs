use super::{Boundary, Fault, PARTS_MAX, Part, parts};
use proptest::prelude::{any, prop, prop_assert, prop_assert_eq, proptest};

fn boundary() -> Boundary {
    Boundary::of(Some("multipart/form-data; boundary=B")).unwrap()
}

fn read(body: &str) -> Result<Vec<Part>, Fault> {
    parts(body.as_bytes(), &boundary())
}

/// A form of one part with these headers.
fn with(headers: &str) -> Result<Vec<Part>, Fault> {
    read(&format!("--B\r\n{headers}\r\n\r\nx\r\n--B--"))
}

#[test]
fn parts_are_found_with_the_places_of_their_names_and_values() {
    let body = "--B\r\nContent-Disposition: form-data; name=\"model\"\r\n\r\nm\r\n--B\r\nContent-Type: audio/mpeg\r\n\
        content-disposition: form-data; name=file; filename=\"a; b.mp3\"\r\n\r\n\r\n--\r\n\r\n--B--\r\n";
    let found = read(body).unwrap();
    let told = |part: &Part| (part.name(body.as_bytes()).to_owned(), body[part.value.clone()].to_owned(), part.is_file);
    assert_eq!(
        found.iter().map(told).collect::<Vec<_>>(),
        [("model".to_owned(), "m".to_owned(), false), ("file".to_owned(), "\r\n--\r\n".to_owned(), true)]
    );
    assert!(body[found[0].span.clone()].ends_with("m\r\n"));
    assert_eq!(&body[found[1].span.end..], "--B--\r\n");
}

#[test]
fn a_boundary_is_one_that_no_header_can_be_broken_by() {
    for (content_type, expected) in [
        ("multipart/form-data; boundary=\"a b\"", Fault::Boundary),
        ("multipart/form-data; boundary=a; boundary=b", Fault::Boundary),
        ("multipart/form-data; boundary=", Fault::Boundary),
        ("multipart/form-data; charset=utf-8", Fault::Boundary),
        ("multipart/form-data", Fault::NotAForm),
        ("multipart/mixed; boundary=a", Fault::NotAForm),
        ("application/json", Fault::NotAForm),
    ] {
        assert_eq!(Boundary::of(Some(content_type)), Err(expected), "{content_type}");
    }
    assert_eq!(Boundary::of(None), Err(Fault::NotAForm));
    let long = format!("Multipart/Form-Data; charset=utf-8; Boundary={}", "x".repeat(70));
    assert!(Boundary::of(Some(&long)).unwrap().content_type().contains("xxx"));
    assert_eq!(Boundary::of(Some(&format!("{long}x"))), Err(Fault::Boundary));
}

#[test]
fn a_form_that_two_readers_could_part_differently_is_refused() {
    let name = "content-disposition: form-data; name=a";
    for (body, expected) in [
        ("".to_owned(), Fault::Beginning),
        (format!("preamble\r\n--B\r\n{name}\r\n\r\nx\r\n--B--"), Fault::Beginning),
        ("--B--".to_owned(), Fault::End),
        (format!("--B\r\n{name}\r\n\r\nx"), Fault::End),
        (format!("--B\r\n{name}\r\n\r\nx\r\n--B--\r\nepilogue"), Fault::End),
        (format!("--B\r\n{name}\r\n\r\nx\n--B--"), Fault::Stray { at: 49 }),
        (format!("--B \r\n{name}\r\n\r\nx\r\n--B--"), Fault::Stray { at: 0 }),
        (format!("--B\r\n{name}\r\n\r\nx\r\n--Bx\r\n--B--"), Fault::Stray { at: 50 }),
        (format!("--B\r\n{name}\r\n--B--"), Fault::HeadersEnd),
        ("--B\r\n--B--".to_owned(), Fault::HeadersEnd),
        (format!("--B\r\nx-long: {}\r\n{name}\r\n\r\nx\r\n--B--", "x".repeat(4_096)), Fault::HeadersEnd),
    ] {
        assert_eq!(read(&body), Err(expected), "{body:.80}");
    }
}

#[test]
fn headers_that_two_readers_could_read_differently_are_refused() {
    for (headers, expected) in [
        ("content-type: text/plain", Fault::Disposition),
        ("content-disposition: form-data", Fault::Disposition),
        ("content-disposition: attachment; name=a", Fault::Disposition),
        ("content-disposition: form-data; name=a; name=b", Fault::Disposition),
        ("content-disposition: form-data; name=a; name*=utf-8''b", Fault::Disposition),
        ("content-disposition: form-data; name=\"a", Fault::Disposition),
        ("content-disposition: form-data; filename=\"x\\\"; name=\"model\"; name=\"a\"", Fault::Disposition),
        ("content-disposition: form-data; name=\"a\\b\"", Fault::Name),
        ("content-disposition: form-data; name=\"\"", Fault::Name),
        ("content-disposition: form-data; name=a\r\ncontent-disposition: form-data; name=b", Fault::Header),
        ("content-disposition: form-data;\r\n name=a", Fault::Disposition),
        ("content-disposition: form-data; name=a\r\n folded: x", Fault::Header),
        ("content-disposition : form-data; name=a", Fault::Header),
        ("content-disposition: form-data; name=a\nx: y", Fault::Header),
        ("content-disposition: form-data; name=a\r\ncontent-transfer-encoding: base64", Fault::Encoding),
        ("content-disposition: form-data; name=a\r\ncontent-type: text/plain; charset=utf-16", Fault::Encoding),
    ] {
        assert_eq!(with(headers), Err(expected), "{headers}");
    }
    let plain = "content-type: text/plain; charset=UTF-8\r\ncontent-transfer-encoding: Binary\r\n\
        Content-Disposition: Form-Data; Name=\"a\"; filename*=utf-8''%C3%A4; filename=\"\u{e4}\"";
    assert!(with(plain).unwrap()[0].is_file);
}

#[test]
fn so_many_parts_are_read_and_no_more() {
    let form = |count: usize| {
        let part = "--B\r\ncontent-disposition: form-data; name=a\r\n\r\nx\r\n";
        read(&format!("{}--B--", part.repeat(count)))
    };
    assert_eq!(form(PARTS_MAX).unwrap().len(), PARTS_MAX);
    assert_eq!(form(PARTS_MAX + 1), Err(Fault::TooManyParts));
}

#[test]
fn a_written_part_is_read_back_and_none_is_written_that_would_part_the_form() {
    let part = boundary().part("model", "a\"b\u{e4}").unwrap();
    let body = format!("{part}--B--");
    let found = read(&body).unwrap();
    assert_eq!((found[0].name(body.as_bytes()), &body[found[0].value.clone()]), ("model", "a\"b\u{e4}"));
    assert_eq!(boundary().part("model", "x--By"), None);
    assert_eq!(boundary().part("model", "x\r\ny"), None);
}

proptest! {
    #[test]
    fn no_bytes_make_it_panic_and_places_lie_within_the_body(
        pieces in prop::collection::vec((0_usize..9, prop::collection::vec(any::<u8>(), 0..8)), 0..12),
    ) {
        const WORDS: [&str; 9] = ["--B", "\r\n", "--", "content-disposition: form-data; name=\"a\"", "\r\n\r\n", ":", "\"", "; filename=", "--B--"];
        let mut body = b"--B\r\n".to_vec();
        for (word, noise) in pieces {
            body.extend_from_slice(WORDS[word].as_bytes());
            body.extend_from_slice(&noise);
        }
        if let Ok(found) = parts(&body, &boundary()) {
            let mut at = 0;
            for part in found {
                prop_assert_eq!(part.span.start, at);
                prop_assert!(part.value.start <= part.value.end && part.value.end + 2 == part.span.end);
                prop_assert!(part.span.end <= body.len() && !part.name(&body).is_empty());
                at = part.span.end;
            }
        }
    }
}
