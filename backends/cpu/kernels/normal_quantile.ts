/**
 * The quantile function of the normal distribution: Wichura 1988, "Algorithm AS 241: the percentage points of the normal
 * distribution", PPND16, good to 16 digits.
 *
 * @module
 */

// Numerators and denominators of rational functions, from the constant up. Wichura's third, for probabilities under
// e^-25, is left out: 24 random bits make none under 2^-25.
const CENTRE: readonly number[] = [
  3.387132872796366608,
  133.14166789178437745,
  1971.5909503065514427,
  13731.693765509461125,
  45921.953931549871457,
  67265.770927008700853,
  33430.575583588128105,
  2509.0809287301226727,
];
const CENTRE_UNDER: readonly number[] = [
  1,
  42.313330701600911252,
  687.1870074920579083,
  5394.1960214247511077,
  21213.794301586595867,
  39307.89580009271061,
  28729.085735721942674,
  5226.495278852854561,
];
const TAIL: readonly number[] = [
  1.42343711074968357734,
  4.6303378461565452959,
  5.7694972214606914055,
  3.64784832476320460504,
  1.27045825245236838258,
  0.24178072517745061177,
  0.0227238449892691845833,
  7.7454501427834140764e-4,
];
const TAIL_UNDER: readonly number[] = [
  1,
  2.05319162663775882187,
  1.6763848301838038494,
  0.68976733498510000455,
  0.14810397642748007459,
  0.0151986665636164571966,
  5.475938084995344946e-4,
  1.05075007164441684324e-9,
];

/** The number that a standard normal variable is below with the given probability, from 2^-25 to 1 - 2^-25. */
export function normalQuantile(probability: number): number {
  const q = probability - 0.5;
  if (Math.abs(q) <= 0.425) {
    const r = 0.180625 - q * q;
    return q * polynomial(CENTRE, r) / polynomial(CENTRE_UNDER, r);
  }
  const r = Math.sqrt(-Math.log(Math.min(probability, 1 - probability))) - 1.6;
  return Math.sign(q) * polynomial(TAIL, r) / polynomial(TAIL_UNDER, r);
}

function polynomial(coefficients: readonly number[], x: number): number {
  let value = 0;
  for (let i = coefficients.length - 1; i >= 0; i--) value = value * x + coefficients[i]!;
  return value;
}
