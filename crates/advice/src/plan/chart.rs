use std::fmt::Write;
use std::time::Duration;

use super::spell::{grouped, spell};
use super::{Plan, PlanRow};

const WIDTH: f64 = 760.0;
const LEFT: f64 = 84.0;
const RIGHT: f64 = 610.0;
/// Top and bottom of the two panels.
const REQUESTS: (f64, f64) = (64.0, 250.0);
const AGES: (f64, f64) = (300.0, 440.0);
const HEIGHT: f64 = 490.0;
/// What a label takes.
const LABEL: f64 = 15.0;

const INK: &str = "#1f2933";
const FAINT: &str = "#d5dae0";
const BAND: &str = "#eef4ee";
const BLUE: &str = "#1f5fa8";
const RED: &str = "#b3261e";
const GREY: &str = "#7b8794";

/// Draws requests and ages over the TTL, as SVG.
#[must_use]
pub fn chart(plan: &Plan) -> String {
    let drawing = Drawing::new(plan);
    let mut svg = String::new();
    // Writing to a String cannot fail.
    let _written = drawing.draw(plan, &mut svg);
    svg
}

/// Where numbers lie.
struct Drawing {
    ttl_secs_max: f64,
    /// Logarithms to base ten.
    requests: (f64, f64),
    age_secs_max: f64,
}

impl Drawing {
    fn new(plan: &Plan) -> Self {
        let most = |of: fn(&PlanRow) -> u64| plan.rows.iter().map(of).max().unwrap_or(1).max(1);
        let least = plan.rows.iter().map(|row| row.requests_per_month).min().unwrap_or(1);
        let log = |number: u64| float(number.max(1)).log10();
        let (bottom, top) = (log(least).floor(), log(most(|row| row.requests_per_month)).ceil());
        Self {
            ttl_secs_max: float(most(|row| row.ttl_secs)),
            requests: (bottom, top.max(bottom + 1.0)),
            age_secs_max: float(most(|row| row.old_value_max_secs)),
        }
    }

    fn x(&self, ttl_secs: u64) -> f64 {
        LEFT + (RIGHT - LEFT) * float(ttl_secs) / self.ttl_secs_max
    }

    fn y_of_requests(&self, log: f64) -> f64 {
        let (bottom, top) = self.requests;
        REQUESTS.1 - (REQUESTS.1 - REQUESTS.0) * (log - bottom) / (top - bottom)
    }

    fn y_of_secs(&self, secs: f64) -> f64 {
        AGES.1 - (AGES.1 - AGES.0) * secs / self.age_secs_max
    }

    fn draw(&self, plan: &Plan, svg: &mut String) -> std::fmt::Result {
        writeln!(
            svg,
            "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {HEIGHT}\" \
             width=\"{WIDTH}\" height=\"{HEIGHT}\" font-family=\"sans-serif\" font-size=\"12\">"
        )?;
        writeln!(svg, "<rect width=\"{WIDTH}\" height=\"{HEIGHT}\" fill=\"#ffffff\"/>")?;
        let title = format!(
            "{} reads a month by {} consumer{}",
            grouped(plan.trace.reads_per_month),
            grouped(u64::try_from(plan.trace.consumers).unwrap_or(u64::MAX)),
            if plan.trace.consumers == 1 { "" } else { "s" },
        );
        text(svg, (LEFT, 24.0), "start", INK, &format!("<tspan font-size=\"15\">{title}</tspan>"))?;
        self.bands(plan, svg)?;
        self.axes(plan, svg)?;
        self.curves(plan, svg)?;
        writeln!(svg, "</svg>")
    }

    /// Draws the TTLs of the class, and the one that is recommended.
    fn bands(&self, plan: &Plan, svg: &mut String) -> std::fmt::Result {
        let [shortest, longest] = plan.class_ttl_secs.map(|secs| self.x(secs));
        let at = self.x(plan.recommended_ttl_secs);
        for (top, bottom) in [REQUESTS, AGES] {
            let (width, height) = (longest - shortest, bottom - top);
            writeln!(
                svg,
                "<rect x=\"{shortest:.1}\" y=\"{top}\" width=\"{width:.1}\" height=\"{height}\" \
                 fill=\"{BAND}\"/>"
            )?;
            line(svg, (at, top), (at, bottom), INK, "4 3")?;
        }
        let ttl = match plan.recommended_ttl_secs {
            0 => "no cache".to_owned(),
            secs => spell(Duration::from_secs(secs)),
        };
        let label = format!("{}: {ttl}", plan.class);
        text(svg, (at + 4.0, REQUESTS.0 - 6.0), "start", INK, &label)
    }

    fn axes(&self, plan: &Plan, svg: &mut String) -> std::fmt::Result {
        let (bottom, top) = self.requests;
        let decades = std::iter::successors(Some(bottom), |log| Some(log + 1.0));
        for log in decades.take_while(|log| *log <= top) {
            let y = self.y_of_requests(log);
            line(svg, (LEFT, y), (RIGHT, y), FAINT, "none")?;
            text(svg, (LEFT - 8.0, y + 4.0), "end", INK, &power(log))?;
        }
        let beside = (LEFT - 8.0, REQUESTS.0 - 14.0);
        text(svg, beside, "end", GREY, "requests")?;
        text(svg, (LEFT - 8.0, AGES.0 - 14.0), "end", GREY, "age")?;
        for quarter in 0..=4 {
            let secs = self.age_secs_max * f64::from(quarter) / 4.0;
            let y = self.y_of_secs(secs);
            line(svg, (LEFT, y), (RIGHT, y), FAINT, "none")?;
            let label = spell(Duration::from_secs_f64(secs));
            text(svg, (LEFT - 8.0, y + 4.0), "end", INK, &label)?;
        }
        let minutes = plan.rows.iter().filter(|row| row.ttl_secs.is_multiple_of(900));
        for row in minutes {
            let label = match row.ttl_secs {
                0 => "no cache".to_owned(),
                secs => spell(Duration::from_secs(secs)),
            };
            text(svg, (self.x(row.ttl_secs), AGES.1 + 18.0), "middle", INK, &label)?;
        }
        text(svg, (LEFT.midpoint(RIGHT), AGES.1 + 38.0), "middle", GREY, "TTL")
    }

    fn curves(&self, plan: &Plan, svg: &mut String) -> std::fmt::Result {
        let free = float(plan.prices.free_requests.max(1)).log10();
        if (self.requests.0..=self.requests.1).contains(&free) {
            let y = self.y_of_requests(free);
            line(svg, (LEFT, y), (RIGHT, y), GREY, "2 3")?;
            // Beside the line, unless the curve ends there, which has its own label.
            let end = plan.rows.last().map_or(1, |row| row.requests_per_month);
            let is_taken = (self.y_of_requests(float(end.max(1)).log10()) - y).abs() < LABEL;
            let label_y = if is_taken { y + LABEL } else { y };
            text(svg, (RIGHT + 8.0, label_y + 4.0), "start", GREY, "free below this")?;
        }
        let of_requests =
            |row: &PlanRow| self.y_of_requests(float(row.requests_per_month.max(1)).log10());
        self.curve(plan, svg, BLUE, ("requests a month", &of_requests))?;
        let of_bound = |row: &PlanRow| self.y_of_secs(float(row.old_value_max_secs));
        self.curve(plan, svg, RED, ("old value, at most", &of_bound))?;
        let of_mean = |row: &PlanRow| self.y_of_secs(float(row.age_mean_millis) / 1000.0);
        self.curve(plan, svg, BLUE, ("mean age", &of_mean))
    }

    fn curve(
        &self,
        plan: &Plan,
        svg: &mut String,
        color: &str,
        (label, y): (&str, &dyn Fn(&PlanRow) -> f64),
    ) -> std::fmt::Result {
        let points: Vec<(f64, f64)> =
            plan.rows.iter().map(|row| (self.x(row.ttl_secs), y(row))).collect();
        let path: Vec<String> = points.iter().map(|(x, y)| format!("{x:.1},{y:.1}")).collect();
        let path = path.join(" ");
        writeln!(
            svg,
            "<polyline points=\"{path}\" fill=\"none\" stroke=\"{color}\" stroke-width=\"1.8\"/>"
        )?;
        for (x, y) in &points {
            writeln!(svg, "<circle cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"2.6\" fill=\"{color}\"/>")?;
        }
        match points.last() {
            Some((x, y)) => text(svg, (x + 8.0, y + 4.0), "start", color, label),
            None => Ok(()),
        }
    }
}

/// Numbers beyond those of 32 bits are drawn as the greatest of these.
fn float(number: u64) -> f64 {
    u32::try_from(number).map_or(f64::from(u32::MAX), f64::from)
}

fn power(log: f64) -> String {
    let zeros = (0_u32..10).find(|zeros| f64::from(*zeros) >= log).unwrap_or(10);
    grouped(10_u64.pow(zeros))
}

fn line(
    svg: &mut String,
    (x1, y1): (f64, f64),
    (x2, y2): (f64, f64),
    color: &str,
    dashes: &str,
) -> std::fmt::Result {
    writeln!(
        svg,
        "<line x1=\"{x1:.1}\" y1=\"{y1:.1}\" x2=\"{x2:.1}\" y2=\"{y2:.1}\" stroke=\"{color}\" \
         stroke-dasharray=\"{dashes}\"/>"
    )
}

/// Writes a text, which must have nothing in it that XML reads otherwise.
fn text(
    svg: &mut String,
    (x, y): (f64, f64),
    anchor: &str,
    color: &str,
    text: &str,
) -> std::fmt::Result {
    writeln!(
        svg,
        "<text x=\"{x:.1}\" y=\"{y:.1}\" text-anchor=\"{anchor}\" fill=\"{color}\">{text}</text>"
    )
}
