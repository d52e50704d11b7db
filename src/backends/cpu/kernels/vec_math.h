// Vector functions: exp, tanh, erf. Coefficients are minimax fits (Lawson iteration) rounded to fp32; tests/ops holds
// them to their stated error.
#pragma once

#include "backends/cpu/kernels/vec.h"

namespace mainspring::cpu::MAINSPRING_ISA {

// Error <= 2 ulp; 0 below the smallest normal result, infinity above the largest; exp(0) is exactly 1, exp(-inf) 0.
inline VF vexp(VF x) {
  const VF clamped = vmin(vset(88.8f), vmax(vset(-87.4f), x));
  const VF n = vround(clamped * vset(1.44269504088896f));
  // ln 2 in two parts, the first with few bits, so that n * high is exact.
  const VF r = vfma(n, vset(2.12194440e-4f), vfma(n, vset(-0.693359375f), clamped));
  VF p = vfma(vset(1.381446490995586e-3f), r, vset(8.368780836462975e-3f));
  p = vfma(p, r, vset(4.166839271783829e-2f));
  p = vfma(p, r, vset(1.666651964187622e-1f));
  p = vfma(p, r, vset(4.999999403953552e-1f));
  p = vfma(p, r * r, r) + vset(1.0f);
  VF y = vexp2i(p, n);
  y = vselect(vless(x, vset(-87.3365f)), vset(0.0f), y);
  return vselect(vless(vset(88.7228f), x), vset(__builtin_inff()), y);
}

inline VF vsigmoid(VF x) { return vset(1.0f) / (vset(1.0f) + vexp(vset(0.0f) - x)); }

// Relative error about 3e-7 everywhere.
inline VF vtanh(VF x) {
  const VF a = vabs(x), z = x * x;
  VF p = vfma(vset(-5.660780239850283e-3f), z, vset(2.0601999014616013e-2f));
  p = vfma(p, z, vset(-5.372922867536545e-2f));
  p = vfma(p, z, vset(1.3331328332424164e-1f));
  p = vfma(p, z, vset(-3.3333277702331543e-1f));
  const VF small = vfma(p * z, x, x);
  const VF big = vset(1.0f) - vset(2.0f) / (vexp(a + a) + vset(1.0f));
  return vselect(vless(a, vset(0.632f)), small, vcopysign(big, x));
}

// Phi(x) = (1 + erf(x / sqrt 2)) / 2; for negative x through erfc, so that small values keep their digits.
inline VF vnormal_cdf(VF x) {
  const VF z = vabs(x) * vset(0.70710678118654752f), zz = z * z;
  VF p = vfma(vset(7.889119297033176e-5f), zz, vset(-8.020841050893068e-4f));
  p = vfma(p, zz, vset(5.189535208046436e-3f));
  p = vfma(p, zz, vset(-2.6854444295167923e-2f));
  p = vfma(p, zz, vset(1.1283600330352783e-1f));
  p = vfma(p, zz, vset(-3.761262595653534e-1f));
  p = vfma(p, zz, vset(1.1283791065216064f));
  const VF erf_small = p * z;
  VF l = vfma(vset(-2.149611282220576e-5f), z, vset(4.391063703224063e-4f));  // log erfc(z)
  l = vfma(l, z, vset(-4.193610977381468e-3f));
  l = vfma(l, z, vset(2.517896704375744e-2f));
  l = vfma(l, z, vset(-1.0837247967720032e-1f));
  l = vfma(l, z, vset(-6.332626342773438e-1f));
  l = vfma(l, z, vset(-1.1295567750930786f));
  l = vfma(l, z, vset(1.8344413547310978e-4f));
  const VF erfc_big = vselect(vless(vset(4.2f), z), vset(0.0f), vexp(l));
  const VF erfc = vselect(vless(z, vset(1.0f)), vset(1.0f) - erf_small, erfc_big);
  const VF tail = vset(0.5f) * erfc;
  return vselect(vless(x, vset(0.0f)), tail, vset(1.0f) - tail);
}

}  // namespace mainspring::cpu::MAINSPRING_ISA
