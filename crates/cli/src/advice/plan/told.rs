use std::time::Duration;

use strongroom_advice::{Amount, Plan, PlanRow, TraceKind, grouped, spell};

/// Tells the plan: what is read, a row for each TTL, and what follows.
pub(super) fn told(plan: &Plan) -> Vec<String> {
    let mut lines = vec![reads(plan), wanted(plan), String::new()];
    lines.extend(table(plan));
    lines.push(String::new());
    lines.extend(notes(plan));
    lines.push(String::new());
    lines
}

/// Shows a TTL.
pub(super) fn ttl(secs: u64) -> String {
    match secs {
        0 => "no cache".to_owned(),
        secs => spell(Duration::from_secs(secs)),
    }
}

fn several(number: u64, what: &str) -> String {
    format!("{} {what}{}", grouped(number), if number == 1 { "" } else { "s" })
}

fn count(number: usize, what: &str) -> String {
    several(u64::try_from(number).unwrap_or(u64::MAX), what)
}

fn reads(plan: &Plan) -> String {
    let about = &plan.trace;
    let by = count(about.consumers, "consumer");
    let month = format!("{} in 30 days", several(about.reads_per_month, "read"));
    if about.kind == TraceKind::Even {
        let at_once = if about.consumers == 1 { "" } else { " at the same times" };
        return format!("{month} by {by}{at_once}, evenly spaced");
    }
    let of = count(about.secrets, "secret");
    let span = spell(Duration::from_secs(about.span_secs));
    let left_out = match about.left_out {
        0 => String::new(),
        others => format!("; {} left out", count(others, "other event")),
    };
    format!("{} of {of} by {by} in {span}: {month}{left_out}", several(about.reads, "read"))
}

fn wanted(plan: &Plan) -> String {
    let [shortest, longest] = plan.class_ttl_secs.map(ttl);
    let class = match plan.class_ttl_secs {
        [_, 0] => format!("class {}: no cache", plan.class),
        _ => format!("class {}: a TTL of {shortest} to {longest}", plan.class),
    };
    match plan.rotation_secs {
        Some(secs) => format!("{class}; rotation every {}", ttl(secs)),
        None => class,
    }
}

fn table(plan: &Plan) -> Vec<String> {
    let headings = ["TTL", "REQUESTS", "SAVED", "PRICE", "MEAN AGE", "OLD UP TO", "PEAK/S"];
    let refused = plan.limit_per_second.map(|_limit| "REFUSED");
    let headings = headings.into_iter().chain(refused).chain([""]);
    let mut rows = vec![headings.map(str::to_owned).collect()];
    let shown: Vec<&PlanRow> = plan.rows.iter().filter(|row| plan.is_shown(row)).collect();
    rows.extend(shown.into_iter().map(|row| cells(plan, row)));
    aligned(&rows)
}

fn cells(plan: &Plan, row: &PlanRow) -> Vec<String> {
    let saved = row.saved_thousandths;
    let mut cells = vec![
        ttl(row.ttl_secs),
        grouped(row.requests_per_month),
        format!("{}.{} %", saved / 10, saved % 10),
        row.price_per_month.to_string(),
        spell(Duration::from_millis(row.age_mean_millis)),
        spell(Duration::from_secs(row.old_value_max_secs)),
        row.peak_per_second.to_string(),
    ];
    cells.extend(row.throttled_per_month.map(grouped));
    cells.push(remarks(plan, row).join(", "));
    cells
}

fn remarks(plan: &Plan, row: &PlanRow) -> Vec<&'static str> {
    let mut remarks = Vec::new();
    if row.ttl_secs == plan.recommended_ttl_secs {
        remarks.push("recommended");
    }
    if Some(row.ttl_secs) == plan.ttl_secs {
        remarks.push("asked");
    }
    if !row.is_below_rotation {
        remarks.push("not below the rotation");
    }
    remarks
}

/// Aligns columns: numbers to the right, the first and the last to the left.
fn aligned(rows: &[Vec<String>]) -> Vec<String> {
    let columns = rows.first().map_or(0, Vec::len);
    let width = |column: usize| {
        let cells = rows.iter().filter_map(|row| row.get(column));
        cells.map(|cell| cell.chars().count()).max().unwrap_or(0)
    };
    let widths: Vec<usize> = (0..columns).map(width).collect();
    let line = |row: &Vec<String>| {
        let cells = row.iter().zip(&widths).zip(0..).map(|((cell, width), column)| {
            let is_text = column == 0 || column + 1 == columns;
            if is_text { format!("{cell:<width$}") } else { format!("{cell:>width$}") }
        });
        cells.collect::<Vec<String>>().join("  ")
    };
    rows.iter().map(line).collect()
}

fn notes(plan: &Plan) -> Vec<String> {
    let mut notes = vec![recommendation(plan)];
    let asked = plan.ttl_secs.and_then(|secs| plan.row(secs));
    notes.extend(asked.filter(|row| !row.is_in_class).map(|row| {
        format!("note:  {} is outside of what class {} allows", ttl(row.ttl_secs), plan.class)
    }));
    let looked_at = asked.or_else(|| plan.row(plan.recommended_ttl_secs));
    notes.extend(looked_at.and_then(ahead));
    notes.extend(looked_at.and_then(|row| busy(plan, row)));
    notes.extend(free(plan));
    let prices = &plan.prices;
    notes.push(format!(
        "price: {} for {}, {} of a month free; source: {} ({})",
        prices.price,
        several(prices.requests, "request"),
        grouped(prices.free_requests),
        prices.source,
        prices.date,
    ));
    notes
}

fn recommendation(plan: &Plan) -> String {
    let Some(row) = plan.row(plan.recommended_ttl_secs) else { return String::new() };
    let ttl = ttl(row.ttl_secs);
    if row.ttl_secs == 0 {
        return format!("use:   {ttl}, so that values of class {} are always fresh", plan.class);
    }
    let why = match row.price_per_month {
        price if price == Amount::default() => "costs nothing",
        price if price <= plan.budget => "keeps to the budget",
        _ => "costs no more than the others",
    };
    let is_calm = plan.limit_per_second.is_some() && busy(plan, row).is_none();
    let of = if is_calm { ", within the limit," } else { "" };
    format!("use:   {ttl}, the shortest of class {}{of} that {why}", plan.class)
}

/// Tells why there are more requests than one for each TTL.
fn ahead(row: &PlanRow) -> Option<String> {
    let (plain, made) = (row.plain_requests_per_month, row.requests_per_month);
    (made > plain).then(|| {
        format!(
            "note:  one request for each {} would be {}; the cache makes {}: it asks ahead of time, \
             so that nobody waits",
            ttl(row.ttl_secs),
            grouped(plain),
            grouped(made),
        )
    })
}

/// Tells when even caches that are filled ask for more than the limit.
fn busy(plan: &Plan, row: &PlanRow) -> Option<String> {
    let (limit, peak) = (plan.limit_per_second?, row.peak_per_second_warm);
    (u64::try_from(peak).unwrap_or(u64::MAX) > u64::from(limit)).then(|| {
        format!(
            "note:  with {} there are {peak} requests in a second once caches are filled, and the \
             limit is {limit}: consumers that read at different times need less",
            ttl(row.ttl_secs),
        )
    })
}

/// Tells what the free requests do to the price.
fn free(plan: &Plan) -> Option<String> {
    let none = plan.row(0)?;
    let (each, paid) = (plan.price_without_free_requests, none.price_per_month);
    (each != paid).then(|| {
        format!(
            "note:  {} requests are {each}, and {paid} where {} of a month are free: for the whole \
             tenancy, so that others may use them up",
            grouped(none.requests_per_month),
            grouped(plan.prices.free_requests),
        )
    })
}
