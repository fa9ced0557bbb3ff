/* The update rules of compiler/library/optimizers.gw, once for each real type; make generated writes them.
   Each moves `count` parameters w along their gradients g; t is the number of the step, from 1. */
#define GW_UPDATE(name)                                                                                       \
    GW_UPDATES_ENTRY void GW_NAME(gw_update_##name)(GW_REAL *__restrict__ w, const GW_REAL *__restrict__ g,   \
                                                    GW_REAL **states_, const double *hypers_, double t, ptrdiff_t count)

GW_UPDATE(sgd);
GW_UPDATE(adagrad);
GW_UPDATE(rmsprop);
GW_UPDATE(adam);
GW_UPDATE(adamw);
GW_UPDATE(adadelta);
GW_UPDATE(adamax);
GW_UPDATE(nadam);
GW_UPDATE(radam);
GW_UPDATE(lion);

#ifndef GW_LINKED_UPDATES

/* Stochastic gradient descent, with momentum if wanted (Sutskever et al., 2013: v = momentum*v + g). torch.optim.SGD. */
GW_UPDATE(sgd)
{
    if (hypers_[1] == 0) { /* momentum */
        const GW_REAL lr = (GW_REAL)hypers_[0];
        const GW_REAL weight_decay = (GW_REAL)hypers_[3];
        ptrdiff_t i;
        for (i = 0; i < count; i++) {
            /* optimizers.gw:10   w = w - lr * where(nesterov, d + momentum * v, v) */
            w[i] = w[i] - lr*(g[i] + weight_decay*w[i]);
        }
        return;
    }
    GW_REAL *const __restrict__ v = states_[0];
    const GW_REAL lr = (GW_REAL)hypers_[0];
    const GW_REAL momentum = (GW_REAL)hypers_[1];
    const GW_REAL nesterov = (GW_REAL)hypers_[2];
    const GW_REAL weight_decay = (GW_REAL)hypers_[3];
    const int c1 = nesterov != 0;
    ptrdiff_t i;
    for (i = 0; i < count; i++) {
        /* optimizers.gw:9   v = momentum * v + d */
        /* optimizers.gw:10   w = w - lr * where(nesterov, d + momentum * v, v) */
        const GW_REAL c2 = g[i] + weight_decay*w[i];
        const GW_REAL v_i = momentum*v[i] + c2;
        v[i] = v_i;
        w[i] = w[i] - lr*(c1 ? c2 + momentum*v_i : v_i);
    }
}

/* AdaGrad (Duchi et al., 2011): steps shrink with the sum of all squares so far. torch.optim.Adagrad. */
GW_UPDATE(adagrad)
{
    GW_REAL *const __restrict__ s = states_[0];
    const GW_REAL lr = (GW_REAL)hypers_[0];
    const GW_REAL lr_decay = (GW_REAL)hypers_[1];
    const GW_REAL eps = (GW_REAL)hypers_[2];
    const GW_REAL weight_decay = (GW_REAL)hypers_[3];
    const GW_REAL c1 = lr/(1 + (t - 1)*lr_decay);
    ptrdiff_t i;
    for (i = 0; i < count; i++) {
        /* optimizers.gw:16   s = s + d**2 */
        /* optimizers.gw:17   w = w - lr / (1 + (t - 1) * lr_decay) * d / (sqrt(s) + eps) */
        const GW_REAL c2 = g[i] + weight_decay*w[i];
        const GW_REAL s_i = s[i] + c2*c2;
        s[i] = s_i;
        w[i] = w[i] - c1*c2/(GW_MATH(sqrt)(s_i) + eps);
    }
}

/* RMSProp (Tieleman and Hinton, 2012): the square is a running mean; eps is outside the root. torch.optim.RMSprop. */
GW_UPDATE(rmsprop)
{
    if (hypers_[4] == 0) { /* momentum */
        GW_REAL *const __restrict__ s = states_[0];
        const GW_REAL lr = (GW_REAL)hypers_[0];
        const GW_REAL alpha = (GW_REAL)hypers_[1];
        const GW_REAL eps = (GW_REAL)hypers_[2];
        const GW_REAL weight_decay = (GW_REAL)hypers_[3];
        const GW_REAL c1 = 1 - alpha;
        ptrdiff_t i;
        for (i = 0; i < count; i++) {
            /* optimizers.gw:24   s = alpha * s + (1 - alpha) * d**2 */
            /* optimizers.gw:26   w = w - lr * v */
            const GW_REAL c2 = g[i] + weight_decay*w[i];
            const GW_REAL s_i = alpha*s[i] + c1*(c2*c2);
            s[i] = s_i;
            w[i] = w[i] - lr*(c2/(GW_MATH(sqrt)(s_i) + eps));
        }
        return;
    }
    GW_REAL *const __restrict__ s = states_[0];
    GW_REAL *const __restrict__ v = states_[1];
    const GW_REAL lr = (GW_REAL)hypers_[0];
    const GW_REAL alpha = (GW_REAL)hypers_[1];
    const GW_REAL eps = (GW_REAL)hypers_[2];
    const GW_REAL weight_decay = (GW_REAL)hypers_[3];
    const GW_REAL momentum = (GW_REAL)hypers_[4];
    const GW_REAL c1 = 1 - alpha;
    ptrdiff_t i;
    for (i = 0; i < count; i++) {
        /* optimizers.gw:24   s = alpha * s + (1 - alpha) * d**2 */
        /* optimizers.gw:25   v = momentum * v + d / (sqrt(s) + eps) */
        /* optimizers.gw:26   w = w - lr * v */
        const GW_REAL c2 = g[i] + weight_decay*w[i];
        const GW_REAL s_i = alpha*s[i] + c1*(c2*c2);
        const GW_REAL v_i = momentum*v[i] + c2/(GW_MATH(sqrt)(s_i) + eps);
        s[i] = s_i;
        v[i] = v_i;
        w[i] = w[i] - lr*v_i;
    }
}

/* Adam (Kingma and Ba, 2015), with the bias of both running means corrected. torch.optim.Adam. */
GW_UPDATE(adam)
{
    GW_REAL *const __restrict__ m = states_[0];
    GW_REAL *const __restrict__ v = states_[1];
    const GW_REAL lr = (GW_REAL)hypers_[0];
    const GW_REAL beta1 = (GW_REAL)hypers_[1];
    const GW_REAL beta2 = (GW_REAL)hypers_[2];
    const GW_REAL eps = (GW_REAL)hypers_[3];
    const GW_REAL weight_decay = (GW_REAL)hypers_[4];
    const GW_REAL c1 = 1 - beta1;
    const GW_REAL c2 = 1/(1 - gw_step_power(beta1, t));
    const GW_REAL c3 = 1 - beta2;
    const GW_REAL c4 = 1/(1 - gw_step_power(beta2, t));
    ptrdiff_t i;
    for (i = 0; i < count; i++) {
        /* optimizers.gw:33   m = beta1 * m + (1 - beta1) * d */
        /* optimizers.gw:34   v = beta2 * v + (1 - beta2) * d**2 */
        /* optimizers.gw:35   w = w - lr * (m / (1 - beta1**t)) / (sqrt(v / (1 - beta2**t)) + eps) */
        const GW_REAL c5 = g[i] + weight_decay*w[i];
        const GW_REAL m_i = beta1*m[i] + c1*c5;
        const GW_REAL v_i = beta2*v[i] + c3*(c5*c5);
        m[i] = m_i;
        v[i] = v_i;
        w[i] = w[i] - lr*(m_i*c2)/(GW_MATH(sqrt)(v_i*c4) + eps);
    }
}

/* AdamW (Loshchilov and Hutter, 2019): Adam whose weight decay does not go through the running means. torch.optim.AdamW. */
GW_UPDATE(adamw)
{
    GW_REAL *const __restrict__ m = states_[0];
    GW_REAL *const __restrict__ v = states_[1];
    const GW_REAL lr = (GW_REAL)hypers_[0];
    const GW_REAL beta1 = (GW_REAL)hypers_[1];
    const GW_REAL beta2 = (GW_REAL)hypers_[2];
    const GW_REAL eps = (GW_REAL)hypers_[3];
    const GW_REAL weight_decay = (GW_REAL)hypers_[4];
    const GW_REAL c1 = 1 - lr*weight_decay;
    const GW_REAL c2 = 1 - beta1;
    const GW_REAL c3 = 1/(1 - gw_step_power(beta1, t));
    const GW_REAL c4 = 1 - beta2;
    const GW_REAL c5 = 1/(1 - gw_step_power(beta2, t));
    ptrdiff_t i;
    for (i = 0; i < count; i++) {
        /* optimizers.gw:41   m = beta1 * m + (1 - beta1) * g */
        /* optimizers.gw:42   v = beta2 * v + (1 - beta2) * g**2 */
        /* optimizers.gw:43   w = (1 - lr * weight_decay) * w - lr * (m / (1 - beta1**t)) / (sqrt(v / (1 - beta2**t)) + eps) */
        const GW_REAL m_i = beta1*m[i] + c2*g[i];
        const GW_REAL v_i = beta2*v[i] + c4*(g[i]*g[i]);
        m[i] = m_i;
        v[i] = v_i;
        w[i] = c1*w[i] - lr*(m_i*c3)/(GW_MATH(sqrt)(v_i*c5) + eps);
    }
}

/* AdaDelta (Zeiler, 2012): steps as large as the running mean of earlier ones over that of the gradients. torch.optim.Adadelta. */
GW_UPDATE(adadelta)
{
    GW_REAL *const __restrict__ s = states_[0];
    GW_REAL *const __restrict__ a = states_[1];
    const GW_REAL lr = (GW_REAL)hypers_[0];
    const GW_REAL rho = (GW_REAL)hypers_[1];
    const GW_REAL eps = (GW_REAL)hypers_[2];
    const GW_REAL weight_decay = (GW_REAL)hypers_[3];
    const GW_REAL c1 = 1 - rho;
    ptrdiff_t i;
    for (i = 0; i < count; i++) {
        /* optimizers.gw:50   s = rho * s + (1 - rho) * d**2 */
        /* optimizers.gw:52   a = rho * a + (1 - rho) * step**2 */
        /* optimizers.gw:53   w = w - lr * step */
        const GW_REAL c2 = g[i] + weight_decay*w[i];
        const GW_REAL s_i = rho*s[i] + c1*(c2*c2);
        const GW_REAL c4 = GW_MATH(sqrt)(a[i] + eps)/GW_MATH(sqrt)(s_i + eps)*c2;
        s[i] = s_i;
        a[i] = rho*a[i] + c1*(c4*c4);
        w[i] = w[i] - lr*c4;
    }
}

/* Adamax (Kingma and Ba, 2015): Adam with the largest gradient so far, fading, in place of the mean square. torch.optim.Adamax. */
GW_UPDATE(adamax)
{
    GW_REAL *const __restrict__ m = states_[0];
    GW_REAL *const __restrict__ u = states_[1];
    const GW_REAL lr = (GW_REAL)hypers_[0];
    const GW_REAL beta1 = (GW_REAL)hypers_[1];
    const GW_REAL beta2 = (GW_REAL)hypers_[2];
    const GW_REAL eps = (GW_REAL)hypers_[3];
    const GW_REAL weight_decay = (GW_REAL)hypers_[4];
    const GW_REAL c1 = 1 - beta1;
    const GW_REAL c2 = lr/(1 - gw_step_power(beta1, t));
    ptrdiff_t i;
    for (i = 0; i < count; i++) {
        /* optimizers.gw:60   m = beta1 * m + (1 - beta1) * d */
        /* optimizers.gw:61   u = max(beta2 * u, abs(d) + eps) */
        /* optimizers.gw:62   w = w - lr / (1 - beta1**t) * m / u */
        const GW_REAL c3 = g[i] + weight_decay*w[i];
        const GW_REAL m_i = beta1*m[i] + c1*c3;
        const GW_REAL u_i = GW_MATH(max)(beta2*u[i], GW_MATH(abs)(c3) + eps);
        m[i] = m_i;
        u[i] = u_i;
        w[i] = w[i] - c2*m_i/u_i;
    }
}

/* NAdam (Dozat, 2016): Adam with Nesterov's look ahead; p is the product of all mu so far. torch.optim.NAdam. */
GW_UPDATE(nadam)
{
    GW_REAL *const __restrict__ m = states_[0];
    GW_REAL *const __restrict__ v = states_[1];
    GW_REAL *const __restrict__ p = states_[2];
    const GW_REAL lr = (GW_REAL)hypers_[0];
    const GW_REAL beta1 = (GW_REAL)hypers_[1];
    const GW_REAL beta2 = (GW_REAL)hypers_[2];
    const GW_REAL eps = (GW_REAL)hypers_[3];
    const GW_REAL weight_decay = (GW_REAL)hypers_[4];
    const GW_REAL momentum_decay = (GW_REAL)hypers_[5];
    const GW_REAL c1 = beta1*(1 - (GW_REAL)0.5*GW_MATH(pow)((GW_REAL)0.96, t*momentum_decay));
    const GW_REAL c2 = 1 - c1;
    const GW_REAL c3 = beta1*(1 - (GW_REAL)0.5*GW_MATH(pow)((GW_REAL)0.96, (t + 1)*momentum_decay));
    const GW_REAL c4 = 1 - beta1;
    const GW_REAL c5 = 1 - beta2;
    const GW_REAL c6 = 1/(1 - gw_step_power(beta2, t));
    ptrdiff_t i;
    for (i = 0; i < count; i++) {
        /* optimizers.gw:70   m = beta1 * m + (1 - beta1) * d */
        /* optimizers.gw:71   v = beta2 * v + (1 - beta2) * d**2 */
        /* optimizers.gw:74   p = p * mu */
        /* optimizers.gw:75   w = w - lr * ((1 - mu) / (1 - p) * d + next_mu / (1 - p * next_mu) * m) / (sqrt(v / (1 - beta2**t)) + eps) */
        const GW_REAL p_i = p[i]*c1;
        const GW_REAL c8 = g[i] + weight_decay*w[i];
        const GW_REAL m_i = beta1*m[i] + c4*c8;
        const GW_REAL v_i = beta2*v[i] + c5*(c8*c8);
        m[i] = m_i;
        v[i] = v_i;
        p[i] = p_i;
        w[i] = w[i] - lr*(c2/(1 - p_i)*c8 + c3/(1 - p_i*c3)*m_i)/(GW_MATH(sqrt)(v_i*c6) + eps);
    }
}

/* RAdam (Liu et al., 2020): Adam that waits with the square until its variance is bounded. torch.optim.RAdam. */
GW_UPDATE(radam)
{
    GW_REAL *const __restrict__ m = states_[0];
    GW_REAL *const __restrict__ v = states_[1];
    const GW_REAL lr = (GW_REAL)hypers_[0];
    const GW_REAL beta1 = (GW_REAL)hypers_[1];
    const GW_REAL beta2 = (GW_REAL)hypers_[2];
    const GW_REAL eps = (GW_REAL)hypers_[3];
    const GW_REAL weight_decay = (GW_REAL)hypers_[4];
    const GW_REAL c1 = 1 - beta2;
    const GW_REAL c2 = 2/c1 - 1;
    const GW_REAL c3 = gw_step_power(beta2, t);
    const GW_REAL c4 = 1 - c3;
    const GW_REAL c5 = c2 - 2*t*c3/c4;
    const GW_REAL c6 = 1 - beta1;
    const GW_REAL c7 = 1/(1 - gw_step_power(beta1, t));
    const GW_REAL c8 = GW_MATH(sqrt)((c5 - 4)*(c5 - 2)*c2/((c2 - 4)*(c2 - 2)*c5))*GW_MATH(sqrt)(c4);
    const int c9 = c5 > 5;
    ptrdiff_t i;
    for (i = 0; i < count; i++) {
        /* optimizers.gw:82   m = beta1 * m + (1 - beta1) * d */
        /* optimizers.gw:83   v = beta2 * v + (1 - beta2) * d**2 */
        /* optimizers.gw:88   w = w - lr * m / (1 - beta1**t) * step */
        const GW_REAL c10 = g[i] + weight_decay*w[i];
        const GW_REAL m_i = beta1*m[i] + c6*c10;
        const GW_REAL v_i = beta2*v[i] + c1*(c10*c10);
        m[i] = m_i;
        v[i] = v_i;
        w[i] = w[i] - lr*m_i*c7*(c9 ? c8/(GW_MATH(sqrt)(v_i) + eps) : (GW_REAL)1);
    }
}

/* Lion (Chen et al., 2023): steps of the sign of a running mean, with a weight decay of their own. */
GW_UPDATE(lion)
{
    GW_REAL *const __restrict__ m = states_[0];
    const GW_REAL lr = (GW_REAL)hypers_[0];
    const GW_REAL beta1 = (GW_REAL)hypers_[1];
    const GW_REAL beta2 = (GW_REAL)hypers_[2];
    const GW_REAL weight_decay = (GW_REAL)hypers_[3];
    const GW_REAL c1 = 1 - beta1;
    const GW_REAL c2 = 1 - beta2;
    ptrdiff_t i;
    for (i = 0; i < count; i++) {
        /* optimizers.gw:94   m = beta2 * m + (1 - beta2) * g */
        /* optimizers.gw:95   w = w - lr * (d + weight_decay * w) */
        const GW_REAL w_i = w[i] - lr*(GW_MATH(sign)(beta1*m[i] + c1*g[i]) + weight_decay*w[i]);
        m[i] = beta2*m[i] + c2*g[i];
        w[i] = w_i;
    }
}

#endif
#undef GW_UPDATE
