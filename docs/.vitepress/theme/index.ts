// The default look, with the few rules of style.css.

import Theme from 'vitepress/theme'
import './style.css'

export default Theme
